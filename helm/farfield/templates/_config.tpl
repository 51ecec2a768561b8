{{/* The configuration file of a component {kind, values, root}: what the chart knows, then `config`. */}}
{{- define "farfield.config" -}}
{{- $server := dict "host" "0.0.0.0" "port" (.values.port | int) "drain_seconds" (.values.drainSeconds | int) -}}
{{- $_ := set $server "metrics_port" (.values.metricsPort | int | default nil) -}}
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
engine:
  kind: {{ .values.engine }}
  model: {{ .root.Values.model.path | quote }}
{{- end }}

{{- define "farfield.config.rollout" -}}
{{- $root := .root -}}
{{- $policy := include "farfield.chosen" (dict "root" $root "kind" "policy" "wanted" "") | fromYaml -}}
{{- $scale := $policy.values.autoscaling -}}
lane: {{ $root.Values.lane | quote }}
environment: {address: {{ include "farfield.chosenAddress" (dict "root" $root "kind" "environment") | quote }}}
environments:
{{- range (include "farfield.components" $root | fromYaml).items }}
{{- if eq .kind "environment" }}
{{- $address := include "farfield.address" (set . "root" $root) }}
{{- range include "farfield.plugins" . | fromYamlArray }}
  {{ . | quote }}: {address: {{ $address | quote }}}
{{- end }}
{{- end }}
{{- end }}
verifier: {address: {{ include "farfield.chosenAddress" (dict "root" $root "kind" "verifier") | quote }}}
policy:
  address: {{ include "farfield.chosenAddress" (dict "root" $root "kind" "policy") | quote }}
  # a stream stays with one replica
  streams: {{ max 1 (ternary $scale.maxReplicas $policy.values.replicas $scale.enabled | int) }}
{{- end }}

{{- define "farfield.config.trainer" -}}
lane: {{ .root.Values.lane | quote }}
runs: {{ .root.Values.runs.mountPath | quote }}
environment: {address: {{ include "farfield.chosenAddress" (dict "root" .root "kind" "environment") | quote }}}
verifier: {address: {{ include "farfield.chosenAddress" (dict "root" .root "kind" "verifier") | quote }}}
{{- end }}
