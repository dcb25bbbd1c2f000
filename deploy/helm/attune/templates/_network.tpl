{{/* Where a store outside the chart may be reached. Takes {to, port}. */}}
{{- define "attune.egress" -}}
- to:
    {{- toYaml .to | nindent 4 }}
  ports: [{protocol: TCP, port: {{ .port }}}]
{{- end -}}

{{/* Takes the values' `network`. */}}
{{- define "attune.nameResolution" -}}
- to:
    {{- toYaml .dns.to | nindent 4 }}
  ports: [{protocol: UDP, port: {{ .dns.port }}}, {protocol: TCP, port: {{ .dns.port }}}]
{{- end -}}
