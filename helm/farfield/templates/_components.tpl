{{/*
The workloads as data: {items: [{kind, name, fullname, values}]}, each with its own values laid over the common ones.
Everything that one template makes for all of them ranges over this list.
*/}}
{{- define "farfield.components" -}}
{{- $items := list -}}
{{- range $kind, $entries := dict "environment" .Values.environments "verifier" .Values.verifiers -}}
  {{- range $entries -}}
    {{- $items = append $items (dict "kind" $kind "name" .name "own" .) -}}
  {{- end -}}
{{- end -}}
{{- range $kind := list "policy" "rollout" "trainer" -}}
  {{- $own := index $.Values $kind -}}
  {{- if $own.enabled -}}
    {{- $items = append $items (dict "kind" $kind "name" $kind "own" $own) -}}
  {{- end -}}
{{- end -}}
{{- range $items -}}
  {{- $_ := set . "values" (mergeOverwrite (deepCopy $.Values.common) (deepCopy .own)) -}}
  {{- if eq .kind "trainer" -}}{{/* as many pods as it is told, whatever is common */}}
    {{- $_ := set .values.autoscaling "enabled" false -}}
  {{- end -}}
  {{- $parts := has .kind (list "environment" "verifier") | ternary (list .kind .name) (list .kind) -}}
  {{- $_ := set . "fullname" (prepend $parts (include "farfield.fullname" $) | join "-") -}}
  {{- $_ := unset . "own" -}}
{{- end -}}
{{- toYaml (dict "items" $items) -}}
{{- end }}

{{/* The component of a kind that the defaults name, or the first; as YAML. Takes {root, kind, wanted}. */}}
{{- define "farfield.chosen" -}}
{{- $kind := .kind -}}
{{- $wanted := .wanted -}}
{{- $found := dict -}}
{{- range (include "farfield.components" .root | fromYaml).items -}}
  {{- if and (eq .kind $kind) (not $found) (or (not $wanted) (eq .name $wanted)) -}}
    {{- $found = . -}}
  {{- end -}}
{{- end -}}
{{- toYaml $found -}}
{{- end }}

{{- define "farfield.chosenReach" -}}
{{- $wanted := get .root.Values.defaults .kind | default "" -}}
{{- $found := include "farfield.chosen" (dict "root" .root "kind" .kind "wanted" $wanted) | fromYaml -}}
{{- include "farfield.reach" (set $found "root" .root) -}}
{{- end }}

{{/* Names under which runs ask for what a component hosts. */}}
{{- define "farfield.plugins" -}}
{{- toYaml (.values.plugins | default (list .name)) -}}
{{- end }}
