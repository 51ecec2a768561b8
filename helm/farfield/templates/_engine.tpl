{{/* What the policy's configuration says of its engine. Takes the component {kind, values, root}. */}}
{{- define "farfield.engine" -}}
kind: {{ .values.engine }}
{{ include (printf "farfield.engine.%s" .values.engine) . }}
{{- end }}

{{- define "farfield.engine.torch" -}}
model: {{ .root.Values.model.path | quote }}
{{- if include "farfield.gpus" . | int }}
device: cuda
{{- end }}
{{- end }}

{{- define "farfield.engine.tgi" -}}
{{- $root := .root -}}
{{- with $root.Values.tgi -}}
tokenizer: {{ .tokenizer | default $root.Values.model.path | quote }}
{{- if .url }}
url: {{ .url | quote }}
weights: {kind: fixed}
{{- else }}
model_path: {{ $root.Values.model.path | quote }}
payload_limit: {{ .payloadLimit | int }}
weights:
  kind: kubernetes
  namespace: {{ $root.Release.Namespace }}
  name_prefix: {{ include "farfield.tgi.name" $root }}
  template: /etc/farfield-tgi/template.yaml
  owner: {{ $.fullname }}
  start_seconds: {{ .startupSeconds | int }}
  every: {{ .every | int }}
{{- end }}
{{- end }}
{{- end }}

{{- define "farfield.engine.vllm" -}}
{{- $root := .root -}}
{{- with $root.Values.vllm -}}
tokenizer: {{ .tokenizer | default $root.Values.model.path | quote }}
{{- if .url }}
url: {{ .url | quote }}
{{- else }}
url: http://127.0.0.1:8000
model: {{ .servedName | quote }}
start_seconds: {{ .startupSeconds | int }}
{{- end }}
{{- end }}
{{- end }}

{{/* The values of the engine's server, where the policy has one that is not in its own process. */}}
{{- define "farfield.server" -}}
{{- if and .Values.policy.enabled (has .Values.policy.engine (list "tgi" "vllm")) -}}
{{- toYaml (index .Values .Values.policy.engine) -}}
{{- end -}}
{{- end }}

{{/* Whether the policy makes servers of text-generation-inference. */}}
{{- define "farfield.tgi.rolls" -}}
{{- if and .Values.policy.enabled (eq .Values.policy.engine "tgi") (not .Values.tgi.url) }}true{{ end -}}
{{- end }}

{{/* Whether Prometheus may read the servers' metrics: they are at the port that generates. */}}
{{- define "farfield.tgi.metered" -}}
{{- if and (include "farfield.tgi.rolls" .) (or .Values.networkPolicy.monitoring (not .Values.networkPolicy.enabled)) }}true{{ end -}}
{{- end }}

{{- define "farfield.tgi.name" -}}
{{- printf "%s-tgi" (include "farfield.fullname" .) -}}
{{- end }}

{{/* Variables of a server of models that runs as a user without a name and writes to /tmp alone. */}}
{{- define "farfield.serverEnv" -}}
- {name: HOME, value: /tmp}
- {name: USER, value: farfield}
- {name: XDG_CACHE_HOME, value: /tmp/cache}
- {name: TRITON_CACHE_DIR, value: /tmp/cache/triton}
- {name: TORCHINDUCTOR_CACHE_DIR, value: /tmp/cache/inductor}
- {name: HF_HUB_OFFLINE, value: "1"}
{{- end }}

{{/* vLLM beside the gateway. It listens to its own pod alone: who reaches it can change its weights. */}}
{{- define "farfield.vllm" -}}
{{- $root := .root -}}
{{- $policy := .values -}}
{{- with $root.Values.vllm -}}
- name: vllm
  image: {{ include "farfield.image" (dict "root" $root "image" .image) }}
  imagePullPolicy: {{ .image.pullPolicy }}
  command: [vllm, serve, {{ $root.Values.model.path | quote }}]
  args:
    - --served-model-name={{ .servedName }}
    - --host=127.0.0.1
    - --port=8000
    - --dtype={{ .dtype }}
    - --logprobs-mode={{ .logprobsMode }}
    {{- with .maxModelLen | int }}
    - --max-model-len={{ . }}
    {{- end }}
    {{- if gt (include "farfield.gpus" (dict "root" $root "values" .) | int) 1 }}
    - --tensor-parallel-size={{ include "farfield.gpus" (dict "root" $root "values" .) }}
    {{- end }}
    {{- if .lora.enabled }}
    - --enable-lora
    - --max-lora-rank={{ .lora.maxRank | int }}
    {{- end }}
    {{- with .args }}{{ toYaml . | nindent 4 }}{{ end }}
  env:
    {{- include "farfield.serverEnv" $root | nindent 4 }}
    - {name: VLLM_CACHE_ROOT, value: /tmp/cache/vllm}
    - {name: VLLM_NO_USAGE_STATS, value: "1"}
    # the routes that change weights
    - {name: VLLM_SERVER_DEV_MODE, value: "1"}
    {{- if .lora.enabled }}
    - {name: VLLM_ALLOW_RUNTIME_LORA_UPDATING, value: "True"}
    {{- end }}
    {{- with .tokenSecret }}
    - name: VLLM_API_KEY
      valueFrom: {secretKeyRef: {name: {{ . }}, key: token}}
    {{- end }}
    {{- with .env }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- with .resources }}
  resources: {{ toYaml . | nindent 4 }}
  {{- end }}
  securityContext: {{ toYaml (.securityContext | default $policy.securityContext) | nindent 4 }}
  {{- $asked := dict "exec" (dict "command" (list "python3" "-c" "import urllib.request as r; r.urlopen('http://127.0.0.1:8000/health', timeout=4)")) }}
  {{- $probe := merge $asked (dict "timeoutSeconds" 5 "periodSeconds" 10) }}
  startupProbe: {{ toYaml (set (deepCopy $probe) "failureThreshold" (divf .startupSeconds 10 | ceil | int)) | nindent 4 }}
  readinessProbe: {{ toYaml (set (deepCopy $probe) "failureThreshold" 1) | nindent 4 }}
  livenessProbe: {{ toYaml (set (deepCopy $probe) "failureThreshold" 6) | nindent 4 }}
  volumeMounts:
    - {name: vllm-tmp, mountPath: /tmp}
    - {name: vllm-shm, mountPath: /dev/shm}
    {{- include "farfield.weightMounts" (dict "root" $root "writes" false) | trim | nindent 4 }}
{{- end }}
{{- end }}

{{/* Where a server of the policy's reads models and weights. */}}
{{- define "farfield.weightMounts" -}}
{{- with .root.Values -}}
{{- if .weights.store }}
- {name: weights, mountPath: /var/cache/farfield/weights, readOnly: {{ not $.writes }}}
{{- else }}
- {name: runs, mountPath: {{ .runs.mountPath }}, readOnly: true}
{{- end }}
{{- if .model.existingClaim }}
- {name: models, mountPath: {{ .model.mountPath }}, readOnly: true}
{{- end }}
{{- end }}
{{- end }}

{{- define "farfield.weightVolumes" -}}
{{- with .root.Values -}}
{{- if .weights.store }}
- {name: weights, emptyDir: {sizeLimit: {{ .weights.cacheSize }}}}
{{- else }}
- {name: runs, persistentVolumeClaim: {claimName: {{ include "farfield.runsClaim" $.root }}}}
{{- end }}
{{- with .model.existingClaim }}
- {name: models, persistentVolumeClaim: {claimName: {{ . }}, readOnly: true}}
{{- end }}
{{- end }}
{{- end }}

{{/* GPUs that {values, root} declares for one pod. */}}
{{- define "farfield.gpus" -}}
{{- $resources := .values.resources | default dict -}}
{{- $asked := $resources.limits | default $resources.requests | default dict -}}
{{- get $asked .root.Values.gpuResource | default 0 | int -}}
{{- end }}
