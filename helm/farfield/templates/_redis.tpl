{{/* Users of the bundled Redis: who may do what, as farfield_kernel/queue/redis_users.py has it. */}}
{{- define "farfield.redis.rules" -}}
trainer: "~farfield:{*}:* ~farfield:lane:{*}:* +ping +evalsha +script|load +exists +persist +unlink +del +get +set +hget +hdel +hmget +hsetnx +hincrby +xadd +xlen +xdel +xack +xrange +xrevrange +xpending +xreadgroup +xgroup|create +xgroup|destroy +info +time"
worker: "~farfield:{*}:* %R~farfield:lane:{*}:run +ping +evalsha +script|load +exists +expire +get +hget +hset +hsetnx +hexists +hincrby +xadd +xdel +xack +xclaim +xpending +xreadgroup +xgroup|create"
policy: "%R~farfield:lane:{*}:weights +ping +xread +xrevrange"
probe: "+ping"
{{- end }}

{{/* As whom a kind of pod uses it. */}}
{{- define "farfield.redis.role" -}}
{{- get (dict "policy" "policy" "rollout" "worker" "trainer" "trainer" "test" "probe") . -}}
{{- end }}

{{/* Key of the url in its Secret. Takes {kind, root}. */}}
{{- define "farfield.redis.urlKey" -}}
{{- if eq .root.Values.redis.mode "bundled" }}{{ include "farfield.redis.role" .kind }}-url{{ else }}url{{ end -}}
{{- end }}

{{/* Whether there is a server of ours. */}}
{{- define "farfield.redis.bundled" -}}
{{- if and (eq .Values.redis.mode "bundled") (include "farfield.usesRedis" .) }}true{{ end -}}
{{- end }}

{{/* Whether it speaks TLS. */}}
{{- define "farfield.redis.tls" -}}
{{- if and .Values.tls.enabled (include "farfield.redis.bundled" .) }}true{{ end -}}
{{- end }}

{{- define "farfield.redis.name" -}}
{{- printf "%s-redis" (include "farfield.fullname" .) -}}
{{- end }}

{{/* Data of its Secret: a password and a url of each user, and the file of users, which has the passwords' SHA-256.
     What is there is kept: a new password would lock out every pod that runs. */}}
{{- define "farfield.redis.secret" -}}
{{- $name := include "farfield.redis.name" . -}}
{{- $host := printf "%s.%s.svc.%s:6379" $name .Release.Namespace .Values.clusterDomain -}}
{{- $files := ternary "?ssl_ca_certs=/etc/farfield-tls/ca.crt&ssl_certfile=/etc/farfield-tls/tls.crt&ssl_keyfile=/etc/farfield-tls/tls.key" "" (not (empty (include "farfield.redis.tls" .))) -}}
{{- $kept := lookup "v1" "Secret" .Release.Namespace $name | default dict -}}
{{- /* Nobody can log in as the default user, and it may do everything: the append-only file is replayed with its rights. */}}
{{- $users := list "user default off resetpass ~* &* +@all" -}}
{{- $data := dict -}}
{{- range $role, $rules := include "farfield.redis.rules" . | fromYaml -}}
  {{- $password := dig "data" (printf "%s-password" $role) "" $kept | b64dec | default (randAlphaNum 40) -}}
  {{- $url := printf "%s://%s:%s@%s/0%s" (ternary "rediss" "redis" (not (empty $files))) $role $password $host $files -}}
  {{- $_ := set $data (printf "%s-password" $role) ($password | b64enc) -}}
  {{- $_ := set $data (printf "%s-url" $role) ($url | b64enc) -}}
  {{- $users = append $users (printf "user %s on #%s %s" $role ($password | sha256sum) $rules) -}}
{{- end -}}
{{- $_ := set $data "users.acl" (printf "%s\n" (join "\n" $users) | b64enc) -}}
{{- toYaml $data -}}
{{- end }}

{{/* A probe: an answer other than PONG, while the file is read say, ends with status 0 too. */}}
{{- define "farfield.redis.asked" -}}
{{- $tls := ternary " --tls --cacert /etc/farfield-tls/ca.crt --cert /etc/farfield-tls/tls.crt --key /etc/farfield-tls/tls.key" "" (not (empty (include "farfield.redis.tls" .))) -}}
exec: {command: [sh, -c, 'test "$(valkey-cli --user probe{{ $tls }} ping)" = PONG']}
periodSeconds: 10
timeoutSeconds: 5
{{- end }}

{{- define "farfield.redis.config" -}}
dir /data
{{- if include "farfield.redis.tls" . }}
port 0
tls-port 6379
tls-cert-file /etc/farfield-tls/tls.crt
tls-key-file /etc/farfield-tls/tls.key
tls-ca-cert-file /etc/farfield-tls/ca.crt
tls-auth-clients {{ ternary "yes" "no" .Values.tls.mutual }}
{{- else }}
port 6379
{{- end }}
aclfile /etc/redis-users/users.acl
appendonly yes
appendfsync everysec
save ""
maxmemory {{ .Values.redis.maxmemory }}
# what is queued is never dropped: a full server refuses, and the trainer waits
maxmemory-policy noeviction
{{- end }}
