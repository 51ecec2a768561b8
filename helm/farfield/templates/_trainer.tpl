{{/* Where a trainer {values, root} trains. */}}
{{- define "farfield.trainer.device" -}}
{{- .values.device | default (ternary "cuda" "cpu" (gt (include "farfield.gpus" . | int) 0)) -}}
{{- end }}

{{- define "farfield.trainer.ranks" -}}
{{- mul .values.replicas .values.processes -}}
{{- end }}

{{/* Whether a component is a trainer of several ranks. */}}
{{- define "farfield.torchrun" -}}
{{- if and (eq .kind "trainer") (not .values.command) -}}
{{- if gt (include "farfield.trainer.ranks" . | int) 1 }}true{{ end -}}
{{- end -}}
{{- end }}

{{/* Domain of the pods' own names, which are there before the pods are ready. */}}
{{- define "farfield.trainer.domain" -}}
{{- printf "%s-ranks.%s.svc.%s" .fullname .root.Release.Namespace .root.Values.clusterDomain -}}
{{- end }}

{{/*
torchrun's arguments. It numbers nodes in the order of --local-addr, and the name of the first pod is before all
others: so rank 0, which alone is the service, is in the pod that the Service selects.
*/}}
{{- define "farfield.trainer.arguments" -}}
{{- $domain := include "farfield.trainer.domain" . -}}
- --nnodes={{ .values.replicas | int }}
- --nproc-per-node={{ .values.processes | int }}
- --rdzv-backend=c10d
- --rdzv-endpoint={{ .fullname }}-0.{{ $domain }}:29500
- --rdzv-id={{ .fullname }}
- --local-addr=$(POD_NAME).{{ $domain }}
- --max-restarts={{ .values.maxRestarts | int }}
- --module
- farfield_trainer
{{- with .values.args }}
{{ toYaml . }}
{{- end }}
{{- end }}
