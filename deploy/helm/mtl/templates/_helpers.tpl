{{/* Name of the release's objects, and prefix of their names. */}}
{{- define "mtl.name" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* Labels by which objects find pods of a component. Takes (list root component). */}}
{{- define "mtl.selector" -}}
{{- $root := first . -}}
app.kubernetes.io/name: {{ $root.Chart.Name }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end }}

{{/* Labels of an object of a component. Takes (list root component). */}}
{{- define "mtl.labels" -}}
{{- $root := first . -}}
{{ include "mtl.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "mtl.image" -}}
image: {{ printf "%s:%s" .Values.image.repository (.Values.image.tag | default .Chart.AppVersion) | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{- end }}

{{/* Name of the claim of a volume. Takes (list root volume). */}}
{{- define "mtl.claim" -}}
{{- $root := first . -}}
{{ (index $root.Values.storage (last .)).existingClaim | default (printf "%s-%s" (include "mtl.name" $root) (last .)) }}
{{- end }}

{{/* Properties of a pod that all components share. Takes (list root values). */}}
{{- define "mtl.pod" -}}
{{- $root := first . -}}
{{- $values := last . -}}
automountServiceAccountToken: false
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . | quote }}
  {{- end }}
{{- end }}
{{- range $key := list "nodeSelector" "tolerations" "affinity" }}
{{- with index $values $key }}
{{ $key }}: {{ toJson . }}
{{- end }}
{{- end }}
{{- end }}

{{/* Security of a pod by the standard "restricted". */}}
{{- define "mtl.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: { type: RuntimeDefault }
{{- end }}

{{- define "mtl.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: { drop: [ALL] }
{{- end }}

{{/* Pod of a Job that writes runs, with the start of its spec. Takes (list root values). */}}
{{- define "mtl.jobPod" -}}
{{ include "mtl.pod" . }}
restartPolicy: Never
# Time to save the run after SIGTERM.
terminationGracePeriodSeconds: 120
securityContext:
  {{- include "mtl.podSecurity" (first .) | nindent 2 }}
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
volumes:
  - name: config
    configMap: { name: {{ include "mtl.name" (first .) }}-config }
  - name: data
    persistentVolumeClaim: { claimName: {{ include "mtl.claim" (list (first .) "data") }} }
  - name: runs
    persistentVolumeClaim: { claimName: {{ include "mtl.claim" (list (first .) "runs") }} }
  - name: tmp
    emptyDir: { sizeLimit: {{ (last .).tmpSize }} }
{{- end }}

{{/* Container of a Job. Takes (list root values name arguments). */}}
{{- define "mtl.jobContainer" -}}
name: {{ index . 2 }}
{{ include "mtl.image" (first .) }}
args: {{ toJson (last .) }}
resources: {{ toJson (index . 1).resources }}
securityContext:
  {{- include "mtl.containerSecurity" (first .) | nindent 2 }}
volumeMounts:
  - { name: config, mountPath: /config, readOnly: true }
  - { name: data, mountPath: /data }
  - { name: runs, mountPath: /runs }
  - { name: tmp, mountPath: /tmp }
{{- end }}

{{/* Config of the trainings, and study of the sweep. */}}
{{- define "mtl.config" -}}
train.yaml: |
  {{- .Values.train.config | default (.Files.Get "files/train.yaml") | trim | nindent 2 }}
sweep.yaml: |
  {{- .Values.sweep.study | default (.Files.Get "files/sweep.yaml") | trim | nindent 2 }}
{{- end }}
