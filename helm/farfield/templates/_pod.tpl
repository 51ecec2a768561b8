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
    {{- with $values.podAnnotations }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ .fullname }}
  automountServiceAccountToken: false
  # variables that Kubernetes makes of Services would be read as configuration
  enableServiceLinks: false
  terminationGracePeriodSeconds: {{ add $values.drainSeconds $values.preStopSeconds 10 }}
  securityContext: {{ toYaml $values.podSecurityContext | nindent 4 }}
  {{- with $values.image.pullSecrets }}
  imagePullSecrets: {{ toYaml . | nindent 4 }}
  {{- end }}
  {{- include "farfield.placement" . | nindent 2 }}
  containers:
    - name: {{ .kind }}
      image: {{ include "farfield.image" (dict "root" $root "image" $values.image) }}
      imagePullPolicy: {{ $values.image.pullPolicy }}
      {{- with $values.command }}
      command: {{ toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.args }}
      args: {{ toYaml . | nindent 8 }}
      {{- end }}
      ports:
        - {name: grpc, containerPort: {{ $values.port | int }}}
        {{- if $values.metricsPort }}
        - {name: metrics, containerPort: {{ $values.metricsPort | int }}}
        {{- end }}
      env:
        - {name: HOME, value: /tmp}
        {{- if has .kind (list "policy" "rollout" "trainer") }}
        - name: FARFIELD_{{ upper .kind }}__QUEUE_URL
          valueFrom: {secretKeyRef: {name: {{ include "farfield.redisSecret" $root }}, key: url}}
        {{- end }}
        {{- with $values.env }}{{ toYaml . | nindent 8 }}{{ end }}
      {{- with $values.envFrom }}
      envFrom: {{ toYaml . | nindent 8 }}
      {{- end }}
      {{- with $values.resources }}
      resources: {{ toYaml . | nindent 8 }}
      {{- end }}
      securityContext: {{ toYaml $values.securityContext | nindent 8 }}
      {{- include "farfield.lifecycle" . | nindent 6 }}
      volumeMounts: {{ include "farfield.mounts" . | nindent 8 }}
  volumes: {{ include "farfield.volumes" . | nindent 4 }}
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
{{- $probe := dict "grpc" (dict "port" (.values.port | int)) "timeoutSeconds" (.values.probes.timeoutSeconds | int) -}}
{{- $probe = set $probe "periodSeconds" (.values.probes.periodSeconds | int) -}}
{{- $starts := divf .values.probes.startupSeconds .values.probes.periodSeconds | ceil | int -}}
startupProbe: {{ toYaml (set (deepCopy $probe) "failureThreshold" (max 1 $starts)) | nindent 2 }}
readinessProbe: {{ toYaml (set (deepCopy $probe) "failureThreshold" 1) | nindent 2 }}
livenessProbe: {{ toYaml (set (deepCopy $probe) "failureThreshold" (.values.probes.failureThreshold | int)) | nindent 2 }}
{{- with .values.preStopSeconds }}
lifecycle: {preStop: {exec: {command: [sleep, {{ . | int | quote }}]}}}
{{- end }}
{{- end }}

{{- define "farfield.mounts" -}}
- {name: config, mountPath: /etc/farfield-service, readOnly: true}
- {name: tmp, mountPath: /tmp}
{{- if has .kind (list "policy" "trainer") }}
- {name: runs, mountPath: {{ .root.Values.runs.mountPath }}, readOnly: {{ eq .kind "policy" }}}
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
{{- if has .kind (list "policy" "trainer") }}
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
