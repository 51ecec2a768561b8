{{/* The rules of alerts.yaml, of this release's namespace alone. */}}
{{- define "farfield.alerts" -}}
{{- .Files.Get "alerts.yaml" | replace `namespace=~".*"` (printf "namespace=%q" .Release.Namespace) }}
{{- end }}
