{{/* What a schema cannot see. Each message names the value and the cure. */}}
{{- define "farfield.check" -}}
{{- include "farfield.check.plugins" . -}}
{{- include "farfield.check.defaults" . -}}
{{- include "farfield.check.needs" . -}}
{{- range (include "farfield.components" . | fromYaml).items -}}
  {{- if and .values.autoscaling.enabled (not (dig "requests" "cpu" "" (.values.resources | default dict))) -}}
    {{- fail (printf "%s %s: autoscaling needs resources.requests.cpu" .kind .name) -}}
  {{- end -}}
  {{- range $key, $_ := dig "server" dict (.values.config | default dict) -}}
    {{- if has $key (list "host" "port" "metrics_port" "drain_seconds") -}}
      {{- fail (printf "config.server.%s is the chart's: set port, metricsPort or drainSeconds; the host is fixed" $key) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{- define "farfield.check.plugins" -}}
{{- range $list := list "environments" "verifiers" -}}
  {{- $names := list -}}
  {{- $plugins := list -}}
  {{- range index $.Values $list -}}
    {{- if has .name $names -}}
      {{- fail (printf "%s: two entries are named %s; give each a name of its own" $list .name) -}}
    {{- end -}}
    {{- if not (dig "image" "repository" $.Values.common.image.repository .) -}}
      {{- fail (printf "%s: %s has no image; set image.repository" $list .name) -}}
    {{- end -}}
    {{- range .plugins | default (list .name) -}}
      {{- if and (has . $plugins) (eq $list "environments") -}}
        {{- fail (printf "environments: two entries have the plugin %s; a run could not say which it means" .) -}}
      {{- end -}}
      {{- $plugins = append $plugins . -}}
    {{- end -}}
    {{- $names = append $names .name -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{- define "farfield.check.defaults" -}}
{{- range $kind, $wanted := .Values.defaults -}}
  {{- $names := list -}}
  {{- range index $.Values (printf "%ss" $kind) -}}
    {{- $names = append $names .name -}}
  {{- end -}}
  {{- if and $wanted (not (has $wanted $names)) -}}
    {{- fail (printf "defaults.%s: no entry of %ss is named %s; there are: %s" $kind $kind $wanted (join ", " $names)) -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{- define "farfield.check.needs" -}}
{{- if not (include "farfield.components" . | fromYaml).items -}}
  {{- fail "nothing to run: environments and verifiers are empty, and policy, rollout and trainer are off" -}}
{{- end -}}
{{- if and .Values.policy.enabled (not .Values.model.path) -}}
  {{- fail "model.path is empty: name a folder in Hugging Face format, in the policy's image or in model.existingClaim; or set policy.enabled, rollout.enabled and trainer.enabled to false" -}}
{{- end -}}
{{- if and .Values.rollout.enabled (not .Values.policy.enabled) -}}
  {{- fail "rollout.enabled: workers need a policy; set policy.enabled to true, or rollout.enabled to false" -}}
{{- end -}}
{{- if or .Values.rollout.enabled .Values.trainer.enabled -}}
  {{- if not (and .Values.environments .Values.verifiers) -}}
    {{- fail "workers and trainer need an entry in environments and one in verifiers" -}}
  {{- end -}}
{{- end -}}
{{- if and (eq .Values.redis.mode "external") (not .Values.redis.existingSecret) (include "farfield.usesRedis" .) -}}
  {{- fail "redis.existingSecret is empty: where redis.mode is external, name a Secret that has the key url" -}}
{{- end -}}
{{- end }}
