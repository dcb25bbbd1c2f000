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

{{/* How the engine is reached; takes the root. */}}
{{- define "attune.temporal" -}}
{{- with .Values.temporal -}}
- {name: TEMPORAL_ADDRESS, value: {{ .address | quote }}}
- {name: TEMPORAL_NAMESPACE, value: {{ .namespace | quote }}}
- {name: TEMPORAL_TLS, value: {{ .tls.enabled | quote }}}
{{- if .tls.authority }}
- {name: TEMPORAL_TLS_SERVER_CA_CERT_PATH, value: /etc/attune/temporal/ca.crt}
{{- end }}
{{- if .tls.certificate }}
- {name: TEMPORAL_TLS_CLIENT_CERT_PATH, value: /etc/attune/temporal/tls.crt}
- {name: TEMPORAL_TLS_CLIENT_KEY_PATH, value: /etc/attune/temporal/tls.key}
{{- end }}
{{- end }}
{{ include "attune.fromSecret" (dict "name" "TEMPORAL_API_KEY" "secret" .Values.secrets.temporalApiKey "key" "key") }}
{{- end -}}

{{/* Whether files are wanted for the connection to the engine; takes the root. */}}
{{- define "attune.temporalFiles" -}}
{{- with .Values.temporal.tls -}}{{- if and .enabled (or .authority .certificate) -}}yes{{- end -}}{{- end -}}
{{- end -}}

{{/* Yes, where the authority of the database's certificate is given; takes the root. */}}
{{- define "attune.databaseAuthority" -}}
{{- with .Values.secrets.databaseAuthority -}}{{- if or .secret .configMap -}}yes{{- end -}}{{- end -}}
{{- end -}}

{{/* The variable by which the driver finds that authority, for whatever connects to the database; takes the root. */}}
{{- define "attune.databaseAuthority.variable" -}}
- {name: PGSSLROOTCERT, value: /etc/attune/database/ca.crt}
{{- end -}}

{{- define "attune.databaseAuthority.mount" -}}
- {name: database, mountPath: /etc/attune/database, readOnly: true}
{{- end -}}

{{/* Takes the root. */}}
{{- define "attune.databaseAuthority.volume" -}}
{{- with .Values.secrets.databaseAuthority -}}
- name: database
{{- if .secret }}
  secret: {secretName: {{ .secret }}, defaultMode: 0444, items: [{key: {{ .key }}, path: ca.crt}]}
{{- else }}
  configMap: {name: {{ .configMap }}, defaultMode: 0444, items: [{key: {{ .key }}, path: ca.crt}]}
{{- end }}
{{- end }}
{{- end -}}

{{/* What the workers' code is called where the engine tells versions apart; takes the root. */}}
{{- define "attune.buildId" -}}
{{- if .Values.workers.versioning.enabled -}}
{{- default (default .Chart.AppVersion .Values.image.tag) (.Values.image.digest | trimPrefix "sha256:" | trunc 16) -}}
{{- end -}}
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
- {name: ATTUNE_MODE, value: production}
- {name: ATTUNE_TRANSPORT, value: {{ $values.transport.kind }}}
{{- if eq $values.transport.kind "tls" }}
- {name: ATTUNE_TLS_CERTIFICATE_FILE, value: /etc/attune/tls/tls.crt}
- {name: ATTUNE_TLS_KEY_FILE, value: /etc/attune/tls/tls.key}
- {name: ATTUNE_TLS_CA_FILE, value: /etc/attune/tls/ca.crt}
{{- end }}
{{- range $called := $process.calls }}
{{- $server := include "attune.server" (dict "topology" $.topology "called" $called) }}
- name: ATTUNE_{{ upper $called }}_ADDRESS
  value: dns:///{{ include "attune.fullname" $root }}-{{ $server }}.{{ $root.Release.Namespace }}.svc.{{ $values.clusterDomain }}:{{ (get $.topology $server).port.number }}
{{- end }}
{{- if has "postgres" $process.uses }}
{{- $secret := get $values.secrets.databases .component }}
{{ include "attune.fromSecret" (dict "name" (printf "%s_DATABASE_URL" $prefix) "secret" $secret "key" "url") }}
{{ include "attune.fromSecret" (dict "name" (printf "%s_SYSTEM_DATABASE_URL" $prefix) "secret" $secret "key" "system-url") }}
{{- if include "attune.databaseAuthority" $root }}
{{ include "attune.databaseAuthority.variable" $root }}
{{- end }}
{{- end }}
{{- if has "redis" $process.uses }}
{{ include "attune.fromSecret" (dict "name" "REDIS_URL" "secret" $values.secrets.redis "key" "url") }}
{{- end }}
{{- if has "temporal" $process.uses }}
{{ include "attune.temporal" $root }}
- {name: ATTUNE_HOST, value: "0.0.0.0"}
{{ include "attune.fromSecret" (dict "name" "ATTUNE_PAYLOAD_KEY" "secret" $values.secrets.payload "key" "keys") }}
{{- else }}
- {name: {{ $prefix }}_HOST, value: "0.0.0.0"}
{{- end }}
{{- if $process.port }}
- {name: {{ if $process.serves }}ATTUNE_{{ upper $process.serves }}{{ else }}{{ $prefix }}{{ end }}_PORT, value: {{ $process.port.number | quote }}}
{{- end }}
{{- if $process.health }}
- {name: {{ $prefix }}_HEALTH_PORT, value: {{ $process.health | quote }}}
{{- end }}
- {name: {{ $prefix }}_METRICS_PORT, value: {{ $process.metrics | quote }}}
{{- if $process.queue }}
- {name: ATTUNE_WORKER_BUILD_ID, value: {{ include "attune.buildId" $root | quote }}}
{{- end }}
{{- if has "smtp" $process.uses }}
{{ include "attune.fromSecret" (dict "name" "ATTUNE_NOTIFY_SMTP_PASSWORD" "secret" $values.secrets.smtp "key" "password") }}
{{- end }}
{{- $own := get $values.settings (include "attune.identity" .) }}
{{- range $name, $value := merge (dict) $own $values.settings.all }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- end -}}

{{/* Services answer gRPC health on a port of their own, the others HTTP. Neither shows or wants a certificate. */}}
{{- define "attune.probes" -}}
{{- with .process.health -}}
startupProbe: {grpc: {port: {{ . }}}, periodSeconds: 2, failureThreshold: 60}
readinessProbe: {grpc: {port: {{ . }}}, periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 2}
livenessProbe: {grpc: {port: {{ . }}}, periodSeconds: 20, timeoutSeconds: 5, failureThreshold: 4}
{{- else -}}
{{- $port := ternary "metrics" "http" (or (hasKey .process "serves") (hasKey .process "queue")) -}}
startupProbe: {httpGet: {path: /readyz, port: {{ $port }}}, periodSeconds: 2, failureThreshold: 60}
readinessProbe: {httpGet: {path: /readyz, port: {{ $port }}}, periodSeconds: 5, timeoutSeconds: 3, failureThreshold: 2}
livenessProbe: {httpGet: {path: /healthz, port: {{ $port }}}, periodSeconds: 20, timeoutSeconds: 5, failureThreshold: 4}
{{- end -}}
{{- end -}}
