{{/* What each job of the setup is told. */}}

{{- define "attune.ownerUrls" -}}
{{- range $service := list "people" "goals" "reviews" "scoring" "notify" }}
{{ include "attune.fromSecret" (dict "name" (printf "ATTUNE_%s_OWNER_DATABASE_URL" (upper $service)) "secret" $.Values.secrets.owners "key" (printf "%s-url" $service)) }}
{{- end }}
{{- end -}}

{{- define "attune.setup.database" -}}
{{ include "attune.fromSecret" (dict "name" "DATABASE_URL" "secret" .Values.secrets.administrator "key" "url") }}
{{- include "attune.ownerUrls" . }}
{{- range $service := list "people" "goals" "reviews" "scoring" "notify" }}
{{- $secret := get $.Values.secrets.databases $service }}
{{ include "attune.fromSecret" (dict "name" (printf "ATTUNE_%s_DATABASE_URL" (upper $service)) "secret" $secret "key" "url") }}
{{ include "attune.fromSecret" (dict "name" (printf "ATTUNE_%s_SYSTEM_DATABASE_URL" (upper $service)) "secret" $secret "key" "system-url") }}
{{- end }}
{{- end -}}

{{- define "attune.setup.migrations" -}}
{{ include "attune.ownerUrls" . | trim }}
{{- end -}}

{{- define "attune.setup.version" -}}
{{ include "attune.temporal" . }}
- {name: ATTUNE_WORKER_BUILD_ID, value: {{ include "attune.buildId" . | quote }}}
{{- end -}}

{{- define "attune.setup.engine" -}}
{{ include "attune.temporal" . }}
{{- end -}}
