{{/* The pod of a component {kind, name, fullname, values, root}. */}}
{{- define "farfield.pod" -}}
{{- $root := .root -}}
{{- $values := .values -}}
metadata:
  labels:
    {{- include "farfield.selector" . | nindent 4 }}
    {{- with $values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
  annotations:
    checksum/config: {{ include "farfield.config" . | sha256sum }}
    {{- if and (eq .kind "policy") (include "farfield.tgi.rolls" $root) }}
    checksum/tgi: {{ include "farfield.tgi.template" . | sha256sum }}
    {{- end }}
    {{- with $values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ .fullname }}
  automountServiceAccountToken: {{ not (empty (include "farfield.rules" . | trim)) }}
  # variables that Kubernetes makes of Services would be read as configuration
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ add $values.drainSeconds $values.preStopSeconds 10 }}
  securityContext: {{ toYaml $values.podSecurityContext | nindent 4 }}
  {{- with include "farfield.pullSecrets" . | fromYamlArray }}
  imagePullSecrets: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- include "farfield.placement" . | nindent 2 }}
  containers:
    - name: {{ .kind }}
      image: {{ include "farfield.image" (dict "root" $root "image" $values.image) }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      {{- if include "farfield.torchrun" . }}
      command: [python, -m, torch.distributed.run]
      args: {{ include "farfield.trainer.arguments" . | nindent 8 }}
      {{- else }}
      {{- with $values.command }}
      command: {{ toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.args }}
      args: {{ toYaml . | nindent 8 }}
      {{- end }}
      {{- end }}
      ports:
        - {name: grpc, containerPort: {{ $values.port | int }}}
        {{- if $values.metricsPort }}
        - {name: metrics, containerPort: {{ $values.metricsPort | int }}}
        {{- end }}
        {{- if eq .kind "trainer" }}
        - {name: rendezvous, containerPort: 29500}
        {{- end }}
      env: {{ include "farfield.variables" . | nindent 8 }}
      {{- with include "farfield.variableSources" . | fromYamlArray }}
      envFrom: {{ toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.resources }}
      resources: {{ toYaml . | nindent 8 }}
      {{- end }}
      securityContext: {{ toYaml $values.securityContext | nindent 8 }}
      {{- include "farfield.lifecycle" . | nindent 6 }}
      volumeMounts: {{ include "farfield.mounts" . | nindent 8 }}
    {{- if include "farfield.besideVllm" . }}
    {{- include "farfield.vllm" . | nindent 4 }}
    {{- end }}
  volumes: {{ include "farfield.volumes" . | nindent 4 }}
{{- end }}

{{- define "farfield.pullSecrets" -}}
{{- $secrets := .values.image.pullSecrets | default list -}}
{{- if include "farfield.besideVllm" . -}}
  {{- $secrets = concat $secrets (.root.Values.vllm.image.pullSecrets | default list) | uniq -}}
{{- end -}}
{{- toYaml $secrets -}}
{{- end }}

{{/* Whether a component has the server of vLLM beside it. */}}
{{- define "farfield.besideVllm" -}}
{{- if and (eq .kind "policy") (eq (.values.engine | default "") "vllm") (not .root.Values.vllm.url) }}true{{ end -}}
{{- end }}

{{- define "farfield.variables" -}}
{{- $root := .root -}}
- {name: HOME, value: /tmp}
{{- if include "farfield.torchrun" . }}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
{{- end }}
{{- if has .kind (list "policy" "rollout" "trainer") }}
- name: FARFIELD_{{ upper .kind }}__QUEUE_URL
  valueFrom: {secretKeyRef: {name: {{ include "farfield.redisSecret" $root }}, key: {{ include "farfield.redis.urlKey" . }}}}
{{- end }}
{{- if $root.Values.auth.enabled }}
{{- include "farfield.tokens" . }}
{{- end }}
{{- if eq .kind "policy" }}
{{- with include "farfield.server" $root | fromYaml }}
{{- with .tokenSecret }}
- name: FARFIELD_POLICY__ENGINE__TOKEN
  valueFrom: {secretKeyRef: {name: {{ . }}, key: token}}
{{- end }}
{{- end }}
{{- end }}
{{- with .values.env }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "farfield.variableSources" -}}
{{- $sources := .values.envFrom | default list -}}
{{- with .root.Values.weights -}}
  {{- if and .store .existingSecret (has $.kind (list "policy" "trainer")) -}}
    {{- $sources = append $sources (dict "secretRef" (dict "name" .existingSecret)) -}}
  {{- end -}}
{{- end -}}
{{- toYaml $sources -}}
{{- end }}

{{- define "farfield.placement" -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" "runtimeClassName" }}
{{- with get $.values $key }}
{{ toYaml (dict $key .) }}
{{- end }}
{{- end }}
{{- with .values.topologySpread }}
{{- if .enabled }}
topologySpreadConstraints:
  - topologyKey: {{ .topologyKey }}
    maxSkew: {{ .maxSkew | int }}
    whenUnsatisfiable: {{ .whenUnsatisfiable }}
    labelSelector: {matchLabels: {{ include "farfield.selector" $ | fromYaml | toJson }}}
{{- end }}
{{- end }}
{{- end }}

{{- define "farfield.lifecycle" -}}
{{- $probe := include "farfield.asked" . | fromYaml -}}
{{- $probe = set $probe "timeoutSeconds" (.values.probes.timeoutSeconds | int) -}}
{{- $probe = set $probe "periodSeconds" (.values.probes.periodSeconds | int) -}}
{{- $starts := divf (include "farfield.startupSeconds" .) .values.probes.periodSeconds | ceil | int -}}
readinessProbe: {{ toYaml (set (deepCopy $probe) "failureThreshold" 1) | nindent 2 }}
{{- /* Ranks that begin again serve nothing for a while: torchrun, not a probe, says when they are lost. */}}
{{- if not (include "farfield.torchrun" .) }}
startupProbe: {{ toYaml (set (deepCopy $probe) "failureThreshold" (max 1 $starts)) | nindent 2 }}
livenessProbe: {{ toYaml (set (deepCopy $probe) "failureThreshold" (.values.probes.failureThreshold | int)) | nindent 2 }}
{{- end }}
{{- with .values.preStopSeconds }}
lifecycle: {preStop: {exec: {command: [sleep, {{ . | int | quote }}]}}}
{{- end }}
{{- end }}

{{/* A gateway serves when its server does. */}}
{{- define "farfield.startupSeconds" -}}
{{- $server := ternary (include "farfield.server" .root | fromYaml) dict (eq .kind "policy") -}}
{{- add .values.probes.startupSeconds (ternary 0 ($server.startupSeconds | default 0) (not (empty $server.url))) -}}
{{- end }}

{{/* How a pod is asked for its health. Kubernetes' own gRPC probe speaks no TLS. */}}
{{- define "farfield.asked" -}}
{{- $words := concat (list "python" "-m" "farfield_kernel.healthcheck") (include "farfield.askHealth" (set . "at" (printf "127.0.0.1:%d" (.values.port | int))) | fromYamlArray) -}}
{{- if .values.probes.command -}}
exec: {command: {{ toJson .values.probes.command }}}
{{- else if include "farfield.torchrun" . -}}
{{- /* ranks but the first serve nothing */}}
exec: {command: [sh, -c, 'case "$POD_NAME" in *-0) exec "$@" ;; esac', --, {{ join ", " $words }}]}
{{- else if include "farfield.tls.spoken" . -}}
exec: {command: {{ toJson $words }}}
{{- else -}}
grpc: {port: {{ .values.port | int }}}
{{- end -}}
{{- end }}

{{- define "farfield.mounts" -}}
- {name: config, mountPath: /etc/farfield-service, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if .values.shmSize }}
- {name: shm, mountPath: /dev/shm}
{{- end }}
{{- if include "farfield.tls.held" . }}
- {name: tls, mountPath: /etc/farfield-tls, readOnly: true}
{{- end }}
{{- if eq .kind "policy" }}
{{- include "farfield.weightMounts" (dict "root" .root "writes" true) }}
{{- if include "farfield.tgi.rolls" .root }}
- {name: tgi, mountPath: /etc/farfield-tgi, readOnly: true}
{{- end }}
{{- else if eq .kind "trainer" }}
- {name: runs, mountPath: {{ .root.Values.runs.mountPath }}, readOnly: false}
{{- if .root.Values.model.existingClaim }}
- {name: models, mountPath: {{ .root.Values.model.mountPath }}, readOnly: true}
{{- end }}
{{- end }}
{{- if and (has .kind (list "policy" "rollout" "trainer")) (include "farfield.redisCa" .root) }}
- {name: redis-ca, mountPath: /etc/farfield-redis, readOnly: true}
{{- end }}
{{- with .values.volumeMounts }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "farfield.volumes" -}}
- {name: config, configMap: {name: {{ .fullname }}}}
- {name: tmp, emptyDir: {sizeLimit: {{ .values.tmpSize }}}}
{{- with .values.shmSize }}
- {name: shm, emptyDir: {medium: Memory, sizeLimit: {{ . }}}}
{{- end }}
{{- if include "farfield.tls.held" . }}
- {name: tls, secret: {secretName: {{ include "farfield.tls.secret" . }}, defaultMode: 0440}}
{{- end }}
{{- if eq .kind "policy" }}
{{- include "farfield.weightVolumes" (dict "root" .root) }}
{{- if include "farfield.tgi.rolls" .root }}
- {name: tgi, configMap: {name: {{ include "farfield.tgi.name" .root }}}}
{{- end }}
{{- if include "farfield.besideVllm" . }}
- {name: vllm-tmp, emptyDir: {sizeLimit: {{ .root.Values.vllm.tmpSize }}}}
- {name: vllm-shm, emptyDir: {medium: Memory, sizeLimit: {{ .root.Values.vllm.shmSize }}}}
{{- end }}
{{- else if eq .kind "trainer" }}
- {name: runs, persistentVolumeClaim: {claimName: {{ include "farfield.runsClaim" .root }}}}
{{- with .root.Values.model.existingClaim }}
- {name: models, persistentVolumeClaim: {claimName: {{ . }}, readOnly: true}}
{{- end }}
{{- end }}
{{- if and (has .kind (list "policy" "rollout" "trainer")) (include "farfield.redisCa" .root) }}
- {name: redis-ca, secret: {secretName: {{ include "farfield.redisCa" .root }}}}
{{- end }}
{{- with .values.volumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "farfield.redisCa" -}}
{{- if eq .Values.redis.mode "external" }}{{ .Values.redis.external.caSecret }}{{ end -}}
{{- end }}
