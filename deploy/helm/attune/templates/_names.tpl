{{/* Names and labels; every template takes them from here. */}}

{{- define "attune.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{- define "attune.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains (include "attune.name" .) .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "attune.name" .) | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "attune.image" -}}
{{- if .image.digest -}}
{{- printf "%s@%s" .image.repository .image.digest -}}
{{- else -}}
{{- printf "%s:%s" .image.repository (default .appVersion .image.tag) -}}
{{- end -}}
{{- end -}}

{{/* Takes {root, component}. */}}
{{- define "attune.selector" -}}
app.kubernetes.io/name: {{ include "attune.name" .root }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end -}}

{{- define "attune.labels" -}}
{{ include "attune.selector" . }}
app.kubernetes.io/version: {{ .root.Chart.AppVersion | quote }}
app.kubernetes.io/part-of: attune
app.kubernetes.io/managed-by: {{ .root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .root.Chart.Name .root.Chart.Version }}
{{- end -}}

{{- define "attune.topology" -}}
{{- .Files.Get "topology.yaml" -}}
{{- end -}}

{{/* The component that serves a name: the bridge serves `engine`. Takes {topology, called}. */}}
{{- define "attune.server" -}}
{{- $called := .called -}}
{{- $found := $called -}}
{{- range $component, $process := .topology -}}
{{- if eq (default $component $process.serves) $called -}}{{- $found = $component -}}{{- end -}}
{{- end -}}
{{- $found -}}
{{- end -}}

{{/* Both workers are one program with one key; everything else is its own. Takes {component, process}. */}}
{{- define "attune.identity" -}}
{{- if .process.queue -}}worker{{- else -}}{{- .component -}}{{- end -}}
{{- end -}}

{{/* The values of a component: services by name, workers by queue. Takes {root, component, process}. */}}
{{- define "attune.sizing" -}}
{{- if .process.queue -}}
{{- get .root.Values.workers .process.queue | toYaml -}}
{{- else -}}
{{- get .root.Values.processes .component | toYaml -}}
{{- end -}}
{{- end -}}
