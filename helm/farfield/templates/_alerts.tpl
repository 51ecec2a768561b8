{{/* Alerts of one namespace. What is in backquotes is for Prometheus. */}}
{{- define "farfield.alerts" -}}
{{- $in := printf "namespace=%q" .Release.Namespace -}}
- alert: FarfieldPodDown
  expr: up{ {{- $in }}, farfield_dev_kind!=""} == 0
  for: 5m
  labels: {severity: warning}
  annotations:
    summary: {{ `'{{ $labels.farfield_dev_kind }} {{ $labels.farfield_dev_name }}: pod {{ $labels.pod }} does not answer.'` }}
- alert: FarfieldEpisodesFail
  expr: |
    sum by (failure) (rate(farfield_rollout_failures_total{ {{- $in }}}[10m]))
      / scalar(sum(rate(farfield_rollout_episodes_total{ {{- $in }}}[10m]))) > 0.05
  for: 10m
  labels: {severity: warning}
  annotations:
    summary: {{ `'{{ $value | humanizePercentage }} of episodes end without a grade: {{ $labels.failure }}. They are not trained on.'` }}
- alert: FarfieldNothingCommitted
  expr: |
    sum(farfield_rollout_episodes_in_flight{ {{- $in }}}) > 0
      unless sum(increase(farfield_rollout_episodes_total{ {{- $in }}}[30m])) > 0
  for: 5m
  labels: {severity: critical}
  annotations:
    summary: {{ `'{{ $value }} episodes are being played, and none has ended for half an hour.'` }}
- alert: FarfieldEnvironmentFails
  expr: sum by (plugin) (rate(farfield_environment_failures_total{ {{- $in }}}[10m])) > 0
  for: 10m
  labels: {severity: warning}
  annotations:
    summary: {{ `'The environment {{ $labels.plugin }} raises, hangs or crashes.'` }}
- alert: FarfieldVerifierFails
  expr: sum by (plugin, kind) (rate(farfield_verifier_failures_total{ {{- $in }}}[10m])) > 0
  for: 10m
  labels: {severity: warning}
  annotations:
    summary: {{ `'The verifier {{ $labels.plugin }} fails: {{ $labels.kind }}.'` }}
- alert: FarfieldTornWeights
  expr: increase(farfield_policy_torn_weights_total{ {{- $in }}}[15m]) > 0
  labels: {severity: warning}
  annotations:
    summary: {{ `'Policy {{ $labels.pod }} cannot load the announced weights, and serves the old ones.'` }}
{{- end }}
