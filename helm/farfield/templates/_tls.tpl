{{/* Secret with the certificate of a component {fullname, root}. */}}
{{- define "farfield.tls.secret" -}}
{{- .root.Values.tls.existingSecret | default (printf "%s-tls" .fullname) -}}
{{- end }}

{{/* Whether a component speaks TLS. */}}
{{- define "farfield.tls.spoken" -}}
{{- if and .root.Values.tls.enabled (not .values.plaintext) }}true{{ end -}}
{{- end }}

{{/* Whether a component has certificates: it speaks TLS, to callers or to our Redis. */}}
{{- define "farfield.tls.held" -}}
{{- if include "farfield.tls.spoken" . }}true
{{- else if and (has .kind (list "policy" "rollout" "trainer")) (include "farfield.redis.tls" .root) }}true{{ end -}}
{{- end }}

{{/* One end of a link, as the services' configuration has it: its own certificate, and who signs the others'. */}}
{{- define "farfield.tls.end" -}}
{certificate: /etc/farfield-tls/tls.crt, key: /etc/farfield-tls/tls.key, ca: /etc/farfield-tls/ca.crt}
{{- end }}

{{/* The end that is called. */}}
{{- define "farfield.tls.serverEnd" -}}
{{- $end := include "farfield.tls.end" . | fromYaml -}}
{{- ternary $end (omit $end "ca") .root.Values.tls.mutual | toYaml -}}
{{- end }}

{{/* Names under which a component is reached. */}}
{{- define "farfield.tls.names" -}}
{{- $service := printf "%s.%s.svc" .fullname .root.Release.Namespace -}}
{{- toYaml (list .fullname $service (printf "%s.%s" $service .root.Values.clusterDomain) "localhost") -}}
{{- end }}

{{/* Who has a certificate: the components that speak TLS, our Redis, and a client, for `helm test` and for people. */}}
{{- define "farfield.tls.owners" -}}
{{- $items := list (dict "kind" "client" "name" "client" "fullname" (printf "%s-client" (include "farfield.fullname" .))) -}}
{{- if include "farfield.redis.tls" . -}}
  {{- $items = append $items (dict "kind" "redis" "name" "redis" "fullname" (include "farfield.redis.name" .)) -}}
{{- end -}}
{{- range (include "farfield.components" . | fromYaml).items -}}
  {{- if include "farfield.tls.held" (dict "root" $ "kind" .kind "values" .values) -}}
    {{- $items = append $items (omit . "values") -}}
  {{- end -}}
{{- end -}}
{{- toYaml (dict "items" $items) -}}
{{- end }}

{{/* How a client reaches a component, as JSON. */}}
{{- define "farfield.reach" -}}
{{- $reach := dict "address" (include "farfield.address" .) -}}
{{- if include "farfield.tls.spoken" . -}}
  {{- $_ := set $reach "tls" (include "farfield.tls.end" . | fromYaml) -}}
{{- end -}}
{{- toJson $reach -}}
{{- end }}

{{/* Words by which our health command reaches a component, as YAML. */}}
{{- define "farfield.askHealth" -}}
- --address
- {{ .at | quote }}
{{- if include "farfield.tls.spoken" . }}
- --tls.ca
- /etc/farfield-tls/ca.crt
- --tls.certificate
- /etc/farfield-tls/tls.crt
- --tls.key
- /etc/farfield-tls/tls.key
- --tls.server_name
- {{ printf "%s.%s.svc" .fullname .root.Release.Namespace }}
{{- end }}
{{- end }}

{{- define "farfield.authSecret" -}}
{{- .Values.auth.existingSecret | default (printf "%s-auth" (include "farfield.fullname" .)) -}}
{{- end }}
