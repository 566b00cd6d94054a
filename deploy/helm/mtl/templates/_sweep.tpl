{{/* Spec of the Job that runs a study. */}}
{{- define "mtl.sweepSpec" -}}
{{- $sweep := .Values.sweep -}}
# Each pod runs the same command: the first creates the study, the others join it, and each takes the next trial.
completionMode: Indexed
completions: {{ $sweep.pods }}
parallelism: {{ $sweep.pods }}
# A pod that starts again resumes its trial.
backoffLimitPerIndex: 3
podFailurePolicy:
  rules:
    - action: Ignore
      onPodConditions: [{ type: DisruptionTarget, status: "True" }]
template:
  metadata:
    labels:
      {{- include "mtl.selector" (list . "sweep") | nindent 6 }}
  spec:
    {{- include "mtl.jobPod" (list . $sweep) | nindent 4 }}
    containers:
      {{- $args := concat (list "sweep" "/config/sweep.yaml" "--set" "parallel=1" "--json") $sweep.args }}
      - {{ include "mtl.jobContainer" (list . $sweep "sweep" $args) | indent 8 | trim }}
{{- end }}
