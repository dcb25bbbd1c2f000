{{/* What each job of the setup is told. */}}

{{- define "attune.ownerUrls" -}}
{{- range $service := list "people" "goals" "reviews" "scoring" "notify" }}
{{ include "attune.fromSecret" (dict "name" (printf "ATTUNE_%s_OWNER_DATABASE_URL" (upper $service)) "secret" $.Values.secrets.owners "key" (printf "%s-url" $service)) }}
{{- end }}
{{- end -}}

{{- define "attune.systemUrls" -}}
{{- range $service := list "people" "goals" "reviews" "scoring" "notify" }}
{{ include "attune.fromSecret" (dict "name" (printf "ATTUNE_%s_SYSTEM_DATABASE_URL" (upper $service)) "secret" (get $.Values.secrets.databases $service) "key" "system-url") }}
{{- end }}
{{- end -}}

{{- define "attune.operations" -}}
{{ include "attune.ownerUrls" . | trim }}
{{- include "attune.systemUrls" . }}
{{ include "attune.temporal" . }}
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

{{/* The pod of a job: root; account, of the service; name, of the container; told, the template of its variables; uses, the stores it speaks to; command; arguments. */}}
{{- define "attune.jobPod" -}}
{{- $root := .root }}
{{- $database := and (has "postgres" .uses) (include "attune.databaseAuthority" $root) }}
{{- $files := and (has "temporal" .uses) (include "attune.temporalFiles" $root) -}}
restartPolicy: Never
serviceAccountName: {{ .account }}
automountServiceAccountToken: false
enableServiceLinks: false
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $root.Values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  {{- include "attune.podSecurity" $root | nindent 2 }}
containers:
  - name: {{ .name }}
    image: {{ include "attune.image" (dict "image" $root.Values.image "appVersion" $root.Chart.AppVersion) | quote }}
    imagePullPolicy: {{ $root.Values.image.pullPolicy }}
    command: {{ toJson .command }}
    {{- with .arguments }}
    args: {{ toJson . }}
    {{- end }}
    env:
      {{- include .told $root | nindent 6 }}
      {{- if $database }}
      {{- include "attune.databaseAuthority.variable" $root | nindent 6 }}
      {{- end }}
    resources:
      {{- toYaml $root.Values.setup.resources | nindent 6 }}
    securityContext:
      {{- include "attune.containerSecurity" $root | nindent 6 }}
    volumeMounts:
      {{- if $database }}
      {{- include "attune.databaseAuthority.mount" $root | nindent 6 }}
      {{- end }}
      {{- if $files }}
      - {name: temporal, mountPath: /etc/attune/temporal, readOnly: true}
      {{- end }}
      - {name: tmp, mountPath: /tmp}
volumes:
  {{- if $database }}
  {{- include "attune.databaseAuthority.volume" $root | nindent 2 }}
  {{- end }}
  {{- if $files }}
  - name: temporal
    secret: {secretName: {{ $root.Values.secrets.temporal }}, defaultMode: 0440}
  {{- end }}
  - name: tmp
    emptyDir: {sizeLimit: 64Mi}
{{- end -}}
