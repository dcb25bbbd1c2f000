{{/* What every pod of Attune is held to, and what each process is told. */}}

{{- define "attune.podSecurity" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{- define "attune.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end -}}

{{/* A variable from a Secret; empty where the values name none. Takes {name, secret, key}. */}}
{{- define "attune.fromSecret" -}}
- name: {{ .name }}
{{- if .secret }}
  valueFrom: {secretKeyRef: {name: {{ .secret }}, key: {{ .key }}}}
{{- else }}
  value: ""
{{- end }}
{{- end -}}

{{/* How long a process may take to end: its own grace, and the pause in which it is taken out of the lists. */}}
{{- define "attune.graceSeconds" -}}
{{- if .process.queue -}}
{{- add (int .root.Values.settings.worker.ATTUNE_WORKER_GRACE_SECONDS) .root.Values.drainSeconds 15 -}}
{{- else -}}
{{- add 10 .root.Values.drainSeconds 15 -}}
{{- end -}}
{{- end -}}

{{/* Takes {root, component, process, topology}. */}}
{{- define "attune.environment" -}}
{{- $root := .root -}}
{{- $process := .process -}}
{{- $values := .root.Values -}}
{{- $prefix := printf "ATTUNE_%s" $process.variable -}}
- {name: ATTUNE_IDENTITY_KEY_FILE, value: /etc/attune/identity/private.pem}
- {name: ATTUNE_IDENTITY_KEYS_DIR, value: /etc/attune/public}
{{- range $called := $process.calls }}
{{- $server := include "attune.server" (dict "topology" $.topology "called" $called) }}
- name: ATTUNE_{{ upper $called }}_ADDRESS
  value: dns:///{{ include "attune.fullname" $root }}-{{ $server }}.{{ $root.Release.Namespace }}.svc.{{ $values.clusterDomain }}:{{ (get $.topology $server).port.number }}
{{- end }}
{{- if has "postgres" $process.uses }}
{{- $secret := get $values.secrets.databases .component }}
{{ include "attune.fromSecret" (dict "name" (printf "%s_DATABASE_URL" $prefix) "secret" $secret "key" "url") }}
{{ include "attune.fromSecret" (dict "name" (printf "%s_SYSTEM_DATABASE_URL" $prefix) "secret" $secret "key" "system-url") }}
{{- end }}
{{- if has "redis" $process.uses }}
{{ include "attune.fromSecret" (dict "name" "REDIS_URL" "secret" $values.secrets.redis "key" "url") }}
{{- end }}
{{- if has "temporal" $process.uses }}
- {name: TEMPORAL_ADDRESS, value: {{ $values.temporal.address | quote }}}
- {name: TEMPORAL_NAMESPACE, value: {{ $values.temporal.namespace | quote }}}
- {name: ATTUNE_HOST, value: "0.0.0.0"}
{{ include "attune.fromSecret" (dict "name" "ATTUNE_PAYLOAD_KEY" "secret" $values.secrets.payload "key" "keys") }}
{{- else }}
- {name: {{ $prefix }}_HOST, value: "0.0.0.0"}
{{- end }}
{{- if $process.port }}
- {name: {{ if $process.serves }}ATTUNE_{{ upper $process.serves }}{{ else }}{{ $prefix }}{{ end }}_PORT, value: {{ $process.port.number | quote }}}
{{- end }}
- {name: {{ $prefix }}_METRICS_PORT, value: {{ $process.metrics | quote }}}
{{- if has "smtp" $process.uses }}
{{ include "attune.fromSecret" (dict "name" "ATTUNE_NOTIFY_SMTP_PASSWORD" "secret" $values.secrets.smtp "key" "password") }}
{{- end }}
{{- $own := get $values.settings (include "attune.identity" .) }}
{{- range $name, $value := merge (dict) $own $values.settings.all }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{/* gRPC services answer the health protocol, the others HTTP on the port that says so. */}}
{{- define "attune.probes" -}}
{{- if and .process.port (eq .process.port.name "grpc") (not .process.serves) -}}
startupProbe: {grpc: {port: {{ .process.port.number }}}, periodSeconds: 2, failureThreshold: 60}
readinessProbe: {grpc: {port: {{ .process.port.number }}}, periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 2}
livenessProbe: {grpc: {port: {{ .process.port.number }}}, periodSeconds: 20, timeoutSeconds: 5, failureThreshold: 4}
{{- else -}}
{{- $port := ternary "http" "metrics" (and (hasKey .process "port") (eq (default (dict "name" "") .process.port).name "http")) -}}
startupProbe: {httpGet: {path: /readyz, port: {{ $port }}}, periodSeconds: 2, failureThreshold: 60}
readinessProbe: {httpGet: {path: /readyz, port: {{ $port }}}, periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 2}
livenessProbe: {httpGet: {path: /healthz, port: {{ $port }}}, periodSeconds: 20, timeoutSeconds: 5, failureThreshold: 4}
{{- end -}}
{{- end -}}
