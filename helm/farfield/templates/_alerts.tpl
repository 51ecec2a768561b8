{{/* The rules of alerts.yaml, of this release's namespace alone, with the runbook where it is said. */}}
{{- define "farfield.alerts" -}}
{{- $text := .Files.Get "alerts.yaml" | replace `namespace=~".*"` (printf "namespace=%q" .Release.Namespace) }}
{{- with .Values.monitoring.rules.runbookUrl }}
{{- $alerts := fromYaml $text }}
{{- $url := printf "%s#alerts" . }}
{{- range $alerts.groups }}
{{- range .rules }}
{{- $_ := set .annotations "runbook_url" $url }}
{{- end }}
{{- end }}
{{- toYaml $alerts }}
{{- else }}
{{- $text }}
{{- end }}
{{- end }}
