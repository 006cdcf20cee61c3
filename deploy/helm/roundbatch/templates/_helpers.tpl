{{- define "roundbatch.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-%s" .Release.Name .Chart.Name) (contains .Chart.Name .Release.Name) -}}
{{- /* A pod's label holds this name and a hash of 11 characters, in 63. */ -}}
{{- $name | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{- define "roundbatch.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "roundbatch.commonLabels" -}}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "roundbatch.labels" -}}
{{ include "roundbatch.selector" . }}
{{ include "roundbatch.commonLabels" . }}
{{- end }}

{{- define "roundbatch.gateway" -}}
{{ include "roundbatch.fullname" . }}-gateway
{{- end }}

{{- /* Another name than the workers', whose selector must not find these pods and cannot be changed in a StatefulSet that is there. */}}
{{- define "roundbatch.gatewaySelector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}-gateway
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "roundbatch.gatewayLabels" -}}
{{ include "roundbatch.gatewaySelector" . }}
{{ include "roundbatch.commonLabels" . }}
{{- end }}

{{- define "roundbatch.gatewayService" -}}
{{ .Values.gateway.serviceName | default (include "roundbatch.gateway" .) }}
{{- end }}

{{- /* What the pods of workers and gateways have in common, up to their containers. */}}
{{- define "roundbatch.pod" -}}
serviceAccountName: {{ include "roundbatch.serviceAccount" . }}
automountServiceAccountToken: false
# Of a Service called roundbatch they would make variables like ROUNDBATCH_PORT, which are refused as unknown settings.
enableServiceLinks: false
{{- with .Values.imagePullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
securityContext:
  runAsNonRoot: true
  {{- with .Values.securityContext.runAsUser }}
  runAsUser: {{ int64 . }}
  {{- end }}
  {{- if and .Values.securityContext.fsGroup (not (.Capabilities.APIVersions.Has "security.openshift.io/v1")) }}
  fsGroup: {{ int64 .Values.securityContext.fsGroup }}
  fsGroupChangePolicy: OnRootMismatch
  {{- end }}
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "roundbatch.container" -}}
image: "{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}"
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- /* The variables of a container out of settings, secretEnv and files: arguments are these three. */}}
{{- define "roundbatch.env" -}}
{{- range $name, $value := index . 0 }}
- name: ROUNDBATCH_{{ $name }}
  value: {{ include "roundbatch.text" $value | quote }}
{{- end }}
{{- range $name, $from := index . 1 }}
- name: ROUNDBATCH_{{ $name }}
  valueFrom:
    secretKeyRef: {name: {{ $from.secret }}, key: {{ $from.key | quote }}}
{{- end }}
{{- range $name, $_ := index . 2 }}
- {name: ROUNDBATCH_{{ $name }}, value: /etc/roundbatch/{{ $name }}}
{{- end }}
{{- end }}

{{- /* The volume of `files`. */}}
{{- define "roundbatch.files" -}}
- name: files
  projected:
    # Read by the volume's group: the container's user is not its owner.
    defaultMode: 0440
    sources:
      {{- range $name, $from := . }}
      - {{ ternary "secret" "configMap" (hasKey $from "secret") }}:
          name: {{ $from.secret | default $from.configMap }}
          items: [{key: {{ $from.key | quote }}, path: {{ $name }}}]
      {{- end }}
{{- end }}

{{- /* Of settings, secretEnv or files those whose names begin with a prefix, or (third argument) those that do not, as JSON. */}}
{{- define "roundbatch.named" -}}
{{- $found := dict -}}
{{- range $name, $value := index . 0 -}}
{{- if eq (hasPrefix (index $ 1) $name) (index $ 2) -}}
{{- $_ := set $found $name $value -}}
{{- end -}}
{{- end -}}
{{ toJson $found }}
{{- end }}

{{- /* A value as an environment variable holds it: Helm reads numbers as floats, and would write 2147483648 as 2.147483648e+09. */}}
{{- define "roundbatch.text" -}}
{{- if and (kindIs "float64" .) (eq (floor .) .) }}{{ printf "%.0f" . }}{{ else }}{{ printf "%v" . }}{{ end }}
{{- end }}

{{- /* A setting's value, or the worker's own default: arguments are the root, the name, the default. */}}
{{- define "roundbatch.setting" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- if hasKey $root.Values.settings $name }}{{ include "roundbatch.text" (index $root.Values.settings $name) }}{{ else }}{{ index . 2 }}{{ end }}
{{- end }}

{{- define "roundbatch.partitions" -}}
{{ include "roundbatch.setting" (list . "PARTITIONS" "8") }}
{{- end }}

{{- /* The most workers: more would wait for a partition for ever, never be ready, and hold up every rolling update. */}}
{{- define "roundbatch.atMostPartitions" -}}
{{- $root := index . 0 -}}
{{- $name := index . 1 -}}
{{- $count := index . 2 -}}
{{- $partitions := include "roundbatch.partitions" $root -}}
{{- if gt (int $count) (int $partitions) -}}
{{- fail (printf "%s=%d is more than settings.PARTITIONS=%s: a worker without a partition is never ready; take at most %s" $name (int $count) $partitions $partitions) -}}
{{- end -}}
{{ int $count }}
{{- end }}

{{- define "roundbatch.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "roundbatch.fullname" .) "default" .Values.serviceAccount.create) -}}
{{- end }}

{{- /* A setting is given in one place, a secret by reference, and what the chart fixes not at all. */}}
{{- define "roundbatch.checkNames" -}}
{{- $places := dict "settings" .Values.settings "secretEnv" .Values.secretEnv "files" .Values.files -}}
{{- $seen := dict -}}
{{- range $place, $given := $places -}}
{{- range $name, $_ := $given -}}
{{- if has $name (list "STATE_DIR" "HEALTH_HOST" "HEALTH_PORT" "KAFKA_GROUP_INSTANCE_ID" "GATEWAY__HOST" "GATEWAY__PORT") -}}
{{- fail (printf "%s.%s is set by the chart itself: leave it out" $place $name) -}}
{{- end -}}
{{- if and (eq $place "settings") (regexMatch "(API_KEY|PASSWORD|SECRET)$" $name) -}}
{{- fail (printf "settings.%s is a secret: put it into a Secret, and name that in secretEnv.%s or files.%s_FILE" $name $name $name) -}}
{{- end -}}
{{- if hasKey $seen $name -}}
{{- fail (printf "%s is given in %s and in %s: leave one out" $name (get $seen $name) $place) -}}
{{- end -}}
{{- $_ := set $seen $name $place -}}
{{- end -}}
{{- end -}}
{{- end }}
