{{/* The configuration file of a component {kind, values, root}: what the chart knows, then `config`. */}}
{{- define "farfield.config" -}}
{{- $server := dict "host" "0.0.0.0" "port" (.values.port | int) "drain_seconds" (.values.drainSeconds | int) -}}
{{- $_ := set $server "metrics_port" (.values.metricsPort | int | default nil) -}}
{{- if include "farfield.tls.spoken" . -}}
  {{- $_ := set $server "tls" (include "farfield.tls.serverEnd" . | fromYaml) -}}
{{- end -}}
{{- $shared := dict "server" $server "log_level" .values.logLevel -}}
{{- $own := include (printf "farfield.config.%s" .kind) . | fromYaml -}}
{{- toYaml (mergeOverwrite $shared $own (deepCopy (.values.config | default dict))) -}}
{{- end }}

{{- define "farfield.config.environment" -}}
plugins: {{ include "farfield.plugins" . | nindent 2 }}
{{- end }}

{{- define "farfield.config.verifier" -}}
plugins: {{ include "farfield.plugins" . | nindent 2 }}
{{- end }}

{{- define "farfield.config.policy" -}}
lane: {{ .root.Values.lane | quote }}
{{- if .root.Values.weights.store }}
weights_cache: /var/cache/farfield/weights
{{- end }}
engine: {{ include "farfield.engine" . | nindent 2 }}
{{- end }}

{{- define "farfield.config.rollout" -}}
{{- $root := .root -}}
lane: {{ $root.Values.lane | quote }}
{{- if $root.Values.discovery.enabled }}
discovery: {{ include "farfield.discovery" $root }}
{{- else }}
environment: {{ include "farfield.chosenReach" (dict "root" $root "kind" "environment") }}
environments:
{{- range (include "farfield.components" $root | fromYaml).items }}
{{- if eq .kind "environment" }}
{{- $reach := include "farfield.reach" (set . "root" $root) }}
{{- range include "farfield.plugins" . | fromYamlArray }}
  {{ . | quote }}: {{ $reach }}
{{- end }}
{{- end }}
{{- end }}
verifier: {{ include "farfield.chosenReach" (dict "root" $root "kind" "verifier") }}
policy: {{ include "farfield.chosenReach" (dict "root" $root "kind" "policy") }}
{{- end }}
{{- end }}

{{- define "farfield.config.trainer" -}}
lane: {{ .root.Values.lane | quote }}
runs: {{ .root.Values.runs.mountPath | quote }}
device: {{ include "farfield.trainer.device" . }}
{{- with .root.Values.weights.store }}
weights: {{ . | quote }}
{{- end }}
{{- if .root.Values.discovery.enabled }}
discovery: {{ include "farfield.discovery" .root }}
{{- else }}
environment: {{ include "farfield.chosenReach" (dict "root" .root "kind" "environment") }}
verifier: {{ include "farfield.chosenReach" (dict "root" .root "kind" "verifier") }}
{{- end }}
{{- end }}

{{/* As JSON: services are looked for by their label. */}}
{{- define "farfield.discovery" -}}
{{- $found := dict "kind" "kubernetes" "namespace" .Release.Namespace "selector" .Values.discovery.selector -}}
{{- if .Values.tls.enabled -}}
  {{- $_ := set $found "tls" (include "farfield.tls.end" . | fromYaml) -}}
{{- end -}}
{{- toJson $found -}}
{{- end }}

{{/* Variables with the token: what the service asks for, and what it presents. Takes {kind, values, root}. */}}
{{- define "farfield.tokens" -}}
{{- $root := .root -}}
{{- $keys := list "server" -}}
{{- if has .kind (list "rollout" "trainer") -}}
  {{- if $root.Values.discovery.enabled -}}
    {{- $keys = append $keys "discovery" -}}
  {{- else -}}
    {{- $keys = concat $keys (list "environment" "verifier") -}}
    {{- if eq .kind "rollout" -}}
      {{- $keys = append $keys "policy" -}}
      {{- range (include "farfield.components" $root | fromYaml).items -}}
        {{- if eq .kind "environment" -}}
          {{- range include "farfield.plugins" . | fromYamlArray -}}
            {{- $keys = append $keys (printf "environments__%s" .) -}}
          {{- end -}}
        {{- end -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- $kind := .kind -}}
{{- range $keys }}
- name: FARFIELD_{{ upper $kind }}__{{ upper . }}__TOKEN
  valueFrom: {secretKeyRef: {name: {{ include "farfield.authSecret" $root }}, key: token}}
{{- end }}
{{- end }}
