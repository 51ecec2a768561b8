{{/* What a schema cannot see. Each message names the value and the cure. */}}
{{- define "farfield.check" -}}
{{- include "farfield.check.plugins" . -}}
{{- include "farfield.check.defaults" . -}}
{{- include "farfield.check.needs" . -}}
{{- if .Values.policy.enabled -}}
  {{- include "farfield.check.engine" . -}}
{{- end -}}
{{- include "farfield.check.secrets" . -}}
{{- include "farfield.check.tokens" . -}}
{{- include "farfield.check.monitoring" . -}}
{{- range (include "farfield.components" . | fromYaml).items -}}
  {{- include "farfield.check.component" (set . "root" $) -}}
{{- end -}}
{{- end }}

{{- define "farfield.check.component" -}}
{{- if and .values.autoscaling.enabled (not (dig "requests" "cpu" "" (.values.resources | default dict))) -}}
  {{- fail (printf "%s %s: autoscaling needs resources.requests.cpu" .kind .name) -}}
{{- end -}}
{{- if and (eq .kind "rollout") .values.autoscaling.enabled .values.keda.enabled -}}
  {{- fail "rollout: autoscaling.enabled and keda.enabled are both true, and both would set the number of workers; turn one off" -}}
{{- end -}}
{{- range $key, $_ := dig "server" dict (.values.config | default dict) -}}
  {{- if has $key (list "host" "port" "metrics_port" "drain_seconds" "tls" "token") -}}
    {{- fail (printf "config.server.%s is the chart's: set port, metricsPort, drainSeconds, tls or auth; the host is fixed" $key) -}}
  {{- end -}}
{{- end -}}
{{- if ne .values.contract "v1" -}}
  {{- fail (printf "%s %s: contract is %s, and this chart knows v1; take an image that speaks v1, or a newer chart" .kind .name .values.contract) -}}
{{- end -}}
{{- if eq .kind "trainer" -}}
  {{- include "farfield.check.trainer" . -}}
{{- end -}}
{{- end }}

{{- define "farfield.check.trainer" -}}
{{- $gpus := include "farfield.gpus" . | int -}}
{{- $ranks := include "farfield.trainer.ranks" . | int -}}
{{- $gpu := .root.Values.gpuResource -}}
{{- $declared := mul $gpus .values.replicas | int -}}
{{- if lt $ranks 1 -}}
  {{- fail "trainer: replicas and processes are at least 1; to run no trainer set trainer.enabled to false" -}}
{{- end -}}
{{- if and (eq .values.device "cuda") (eq $gpus 0) -}}
  {{- fail (printf "trainer.device is cuda, and trainer.resources.limits declare no %s; declare as many as trainer.processes" $gpu) -}}
{{- end -}}
{{- if and (gt $ranks 1) (gt $ranks $declared) (ne .values.device "cpu") -}}
  {{- fail (printf "trainer: replicas %d × processes %d are %d ranks, and the pods declare %d × %d GPUs; set trainer.resources.limits.%s to %d, or trainer.device to cpu" (int .values.replicas) (int .values.processes) $ranks (int .values.replicas) $gpus $gpu (int .values.processes)) -}}
{{- end -}}
{{- end }}

{{- define "farfield.check.engine" -}}
{{- $engine := .Values.policy.engine -}}
{{- if not (has $engine (list "torch" "tgi" "vllm")) -}}
  {{- fail (printf "policy.engine is %s; it is one of torch, tgi, vllm" $engine) -}}
{{- end -}}
{{- if not .Values.model.path -}}
  {{- $server := include "farfield.server" . | fromYaml -}}
  {{- if and $server.url (not $server.tokenizer) -}}
    {{- fail (printf "%s.tokenizer is empty, and model.path too: name the folder of the tokenizer and chat template of what %s serves" $engine $server.url) -}}
  {{- else if not $server.url -}}
    {{- fail (printf "model.path is empty, and policy.engine %s serves it: name a folder in Hugging Face format, in the image or in model.existingClaim%s; or set policy.enabled, rollout.enabled and trainer.enabled to false" $engine (ternary "" (printf ", or %s.url of a server of your own" $engine) (eq $engine "torch"))) -}}
  {{- end -}}
{{- end -}}
{{- if include "farfield.tgi.rolls" . -}}
  {{- include "farfield.check.tgi" . -}}
{{- end -}}
{{- if and (eq $engine "vllm") .Values.vllm.url (include "farfield.gateways" .) -}}
  {{- fail (printf "vllm.url is %s, and there would be several gateways, each of which changes its weights; set policy.replicas to 1 and policy.autoscaling.enabled to false, or leave vllm.url empty: then each has a server of its own" .Values.vllm.url) -}}
{{- end -}}
{{- end }}

{{/* Whether there may be several gateways. */}}
{{- define "farfield.gateways" -}}
{{- $policy := include "farfield.chosen" (dict "root" . "kind" "policy" "wanted" "") | fromYaml -}}
{{- if or (gt (int $policy.values.replicas) 1) $policy.values.autoscaling.enabled }}several{{ end -}}
{{- end }}

{{- define "farfield.check.tgi" -}}
{{- $policy := include "farfield.chosen" (dict "root" . "kind" "policy" "wanted" "") | fromYaml -}}
{{- if include "farfield.gateways" . -}}
  {{- fail "policy: one gateway makes the servers of tgi, and two would remove each other's; set policy.replicas to 1 and policy.autoscaling.enabled to false, and tgi.replicas to the number of servers" -}}
{{- end -}}
{{- if ne (get ($policy.values.strategy | default dict) "type" | default "Recreate") "Recreate" -}}
  {{- fail (printf "policy.strategy.type is %s, which runs two gateways for a while; set it to Recreate" $policy.values.strategy.type) -}}
{{- end -}}
{{- if .Values.weights.store -}}
  {{- fail (printf "weights.store is %s, which the servers of tgi cannot read; leave it empty, so that they read the claim of runs, or take the engine vllm" .Values.weights.store) -}}
{{- end -}}
{{- end }}

{{- define "farfield.check.secrets" -}}
{{- if and (eq .Values.redis.mode "external") (not .Values.redis.existingSecret) (include "farfield.usesRedis" .) -}}
  {{- fail "redis.existingSecret is empty: where redis.mode is external, name a Secret that has the key url" -}}
{{- end -}}
{{- with .Values.tls -}}
  {{- if and .enabled .existingSecret .certManager.enabled -}}
    {{- fail (printf "tls.existingSecret is %s, and tls.certManager.enabled is true: leave the one that shall not give the certificates" .existingSecret) -}}
  {{- end -}}
  {{- if and .enabled .certManager.enabled (not .certManager.issuerRef) -}}
    {{- fail "tls.certManager.issuerRef is empty: name an Issuer of cert-manager, {name: …, kind: Issuer}" -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{/* A token for each environment is a variable, whose name must give back the plugin's. */}}
{{- define "farfield.check.tokens" -}}
{{- if and .Values.auth.enabled .Values.rollout.enabled (not .Values.discovery.enabled) -}}
  {{- range .Values.environments -}}
    {{- range .plugins | default (list .name) -}}
      {{- if not (regexMatch "^[a-z]([-a-z0-9]|_[a-z0-9])*$" .) -}}
        {{- fail (printf "auth.enabled: no variable can carry the token of the environment %s; set discovery.enabled to true, or name it in small letters, digits and dashes" .) -}}
      {{- end -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end }}

{{- define "farfield.check.monitoring" -}}
{{- with .Values.monitoring -}}
  {{- if and .podMonitor.enabled .serviceMonitor.enabled -}}
    {{- fail "monitoring: podMonitor.enabled and serviceMonitor.enabled are both true, and every pod would be counted twice; turn one off" -}}
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
{{- if and .Values.rollout.enabled (not .Values.policy.enabled) -}}
  {{- fail "rollout.enabled: workers need a policy; set policy.enabled to true, or rollout.enabled to false" -}}
{{- end -}}
{{- if and (or .Values.rollout.enabled .Values.trainer.enabled) (not .Values.discovery.enabled) -}}
  {{- if not (and .Values.environments .Values.verifiers) -}}
    {{- fail "workers and trainer need an entry in environments and one in verifiers, or discovery.enabled, to find others by their label" -}}
  {{- end -}}
{{- end -}}
{{- end }}
