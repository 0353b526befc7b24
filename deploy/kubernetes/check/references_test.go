package check

import (
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	core "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	security "k8s.io/pod-security-admission/api"
	standard "k8s.io/pod-security-admission/policy"
	"sigs.k8s.io/yaml"
)

// given are the Secrets that somebody else makes, with their keys, as
// docs/kubernetes.md tells.
var given = map[string][]string{
	"kslive-owner":   {"ingest.toml"},
	"kslive-worker":  {"ingest.toml", "console-token"},
	"kslive-cookies": {"cookie.txt"},
	"kslive-tls":     {"tls.crt", "tls.key", "ca.crt"},
}

// keys are those of a Secret, nil when there is none.
func (c *cluster) keys(name string) []string {
	for _, secret := range c.secrets {
		if secret.Name == name {
			return slices.Collect(maps.Keys(secret.Data))
		}
	}
	return given[name]
}

// env is the environment of a container. What is only known in the cluster is
// "known later".
func (c *cluster) env(t *testing.T, container core.Container) map[string]string {
	t.Helper()
	env := make(map[string]string)
	for _, from := range container.EnvFrom {
		if from.ConfigMapRef == nil || from.ConfigMapRef.Name != c.settings[0].Name {
			t.Errorf("there is no %+v", from)
		}
		maps.Copy(env, c.settings[0].Data)
	}
	for _, v := range container.Env {
		env[v.Name] = v.Value
		if v.ValueFrom != nil {
			env[v.Name] = "known later"
		}
	}
	return env
}

// What names something else finds it.
func TestReferences(t *testing.T) {
	for name, c := range both(t) {
		workers := &c.workers[0]
		for kind, pod := range c.pods() {
			there := func(port string) bool {
				return slices.ContainsFunc(pod.Spec.Containers[0].Ports, func(p core.ContainerPort) bool { return p.Name == port })
			}
			if !slices.ContainsFunc(c.accounts, func(a core.ServiceAccount) bool { return a.Name == pod.Spec.ServiceAccountName }) {
				t.Errorf("%s: %s: there is no ServiceAccount %s", name, kind, pod.Spec.ServiceAccountName)
			}
			volumes := make(map[string]string) // the Secret that each is, if it is one
			for _, v := range pod.Spec.Volumes {
				volumes[v.Name] = ""
				if v.Secret != nil {
					volumes[v.Name] = v.Secret.SecretName
					if c.keys(v.Secret.SecretName) == nil {
						t.Errorf("%s: %s: nobody makes the Secret %s", name, kind, v.Secret.SecretName)
					}
					if *v.Secret.DefaultMode != 0o440 {
						t.Errorf("%s: %s: the files of %s have the mode %o", name, kind, v.Secret.SecretName, *v.Secret.DefaultMode)
					}
				}
			}
			if kind == "StatefulSet" {
				for _, claim := range workers.Spec.VolumeClaimTemplates {
					volumes[claim.Name] = ""
				}
			}
			container := pod.Spec.Containers[0]
			mounted := make(map[string]string) // by the path
			for _, m := range container.VolumeMounts {
				secret, ok := volumes[m.Name]
				if !ok || m.SubPath != "" {
					t.Errorf("%s: %s: there is no volume %s, or it is not mounted whole", name, kind, m.Name)
				}
				mounted[m.MountPath] = secret
				delete(volumes, m.Name)
			}
			if len(volumes) > 0 {
				t.Errorf("%s: %s: nothing mounts %v", name, kind, volumes)
			}
			for variable, value := range c.env(t, container) {
				if strings.HasPrefix(value, "/") && !slices.Contains(c.keys(mounted[filepath.Dir(value)]), filepath.Base(value)) {
					t.Errorf("%s: %s: there is no file %s for %s", name, kind, value, variable)
				}
			}
			for _, probe := range []*core.Probe{container.StartupProbe, container.LivenessProbe, container.ReadinessProbe} {
				switch {
				case probe == nil && kind == "Job":
				case probe == nil || !there(probe.HTTPGet.Port.StrVal):
					t.Errorf("%s: %s: a probe asks nobody: %+v", name, kind, probe)
				case !strings.Contains(read(t, root+"/cmd/ingest/status.go"), `"GET `+probe.HTTPGet.Path+`"`):
					t.Errorf("%s: %s: there is no page %s", name, kind, probe.HTTPGet.Path)
				case (probe.HTTPGet.Scheme == core.URISchemeHTTPS) != (c.settings[0].Data["INGEST_HTTP_TLS_CERT"] != ""):
					t.Errorf("%s: a probe asks by %q", name, probe.HTTPGet.Scheme)
				}
			}
		}
		pod := &workers.Spec.Template
		port := pod.Spec.Containers[0].Ports[0]
		service := c.services[0]
		if service.Name != workers.Spec.ServiceName || service.Spec.Ports[0].TargetPort != intstr.FromString(port.Name) || service.Spec.Ports[0].Port != port.ContainerPort {
			t.Errorf("%s: the Service is not that of the workers", name)
		}
		if want := fmt.Sprintf(":%d", port.ContainerPort); c.settings[0].Data["INGEST_HTTP_LISTEN"] != want {
			t.Errorf("%s: they do not listen on %s", name, want)
		}
		selectors := []*meta.LabelSelector{{MatchLabels: service.Spec.Selector}, workers.Spec.Selector, c.budgets[0].Spec.Selector}
		for _, spread := range pod.Spec.TopologySpreadConstraints {
			selectors = append(selectors, spread.LabelSelector)
		}
		for _, m := range c.monitors {
			selectors = append(selectors, &m.Spec.Selector)
			if *m.Spec.PodMetricsEndpoints[0].Port != port.Name {
				t.Errorf("%s: the PodMonitor asks no port", name)
			}
			if tls := m.Spec.PodMetricsEndpoints[0].TLSConfig; tls != nil && !slices.Contains(c.keys(tls.CA.Secret.Name), tls.CA.Secret.Key) {
				t.Errorf("%s: the PodMonitor trusts nobody", name)
			}
		}
		for i, s := range selectors {
			selector, err := meta.LabelSelectorAsSelector(s)
			if err != nil || selector.Empty() || !selector.Matches(labels.Set(pod.Labels)) || selector.Matches(labels.Set(c.jobs[0].Spec.Template.Labels)) {
				t.Errorf("%s: selector %d, %v, does not select the workers and nothing else, %v", name, i, s, err)
			}
		}
		for _, p := range c.policies {
			for kind, pod := range c.pods() {
				if !labels.SelectorFromSet(p.Spec.PodSelector.MatchLabels).Matches(labels.Set(pod.Labels)) {
					t.Errorf("%s: the NetworkPolicy is not for the %s", name, kind)
				}
			}
			if p.Spec.Ingress[0].Ports[0].Port.StrVal != port.Name {
				t.Errorf("%s: the NetworkPolicy lets nobody in", name)
			}
		}
		for _, s := range c.scalers {
			if s.Spec.ScaleTargetRef.Kind != "StatefulSet" || s.Spec.ScaleTargetRef.Name != workers.Name || workers.Spec.Replicas != nil {
				t.Errorf("%s: what is scaled is %+v, with %v replicas", name, s.Spec.ScaleTargetRef, workers.Spec.Replicas)
			}
		}
	}
}

// Pods are allowed where the restricted Pod Security Standard is enforced, and
// have less than that allows.
func TestPodSecurity(t *testing.T) {
	evaluator, err := standard.NewEvaluator(standard.DefaultChecks(), nil)
	if err != nil {
		t.Fatal(err)
	}
	restricted := security.LevelVersion{Level: security.LevelRestricted, Version: security.LatestVersion()}
	allowed := func(pod *core.PodTemplateSpec) (reasons []string) {
		for _, result := range evaluator.EvaluatePod(restricted, &pod.ObjectMeta, &pod.Spec) {
			if !result.Allowed {
				reasons = append(reasons, result.ForbiddenReason+": "+result.ForbiddenDetail)
			}
		}
		return reasons
	}
	for name, c := range both(t) {
		for kind, pod := range c.pods() {
			if reasons := allowed(pod); len(reasons) > 0 {
				t.Errorf("%s: %s: %q", name, kind, reasons)
			}
			container := pod.Spec.Containers[0]
			if !*container.SecurityContext.ReadOnlyRootFilesystem || *pod.Spec.AutomountServiceAccountToken || *pod.Spec.EnableServiceLinks {
				t.Errorf("%s: %s can write, has a token, or is told of the services", name, kind)
			}
			if request, limit := container.Resources.Requests.Memory(), container.Resources.Limits.Memory(); request.IsZero() || limit.Cmp(*request) < 0 || container.Resources.Requests.Cpu().IsZero() {
				t.Errorf("%s: %s: resources %+v", name, kind, container.Resources)
			}
			bent := pod.DeepCopy()
			bent.Spec.Containers[0].SecurityContext.Capabilities = nil
			if len(allowed(bent)) == 0 {
				t.Error("with all capabilities it is allowed too")
			}
		}
		for _, n := range c.namespaces {
			if n.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
				t.Errorf("%s: the Namespace enforces %v", name, n.Labels)
			}
		}
	}
}

// The numbers fit together: a stop has the time that it takes, a volume holds what
// the spool may be, workers that are added get rooms.
func TestNumbers(t *testing.T) {
	for name, c := range both(t) {
		settings, workers := c.settings[0].Data, c.workers[0].Spec
		quantity := func(text string) resource.Quantity {
			t.Helper()
			q, err := resource.ParseQuantity(text)
			if err != nil {
				t.Fatalf("%s: %q: %v", name, text, err)
			}
			return q
		}
		var stop time.Duration
		for _, key := range []string{"INGEST_HANDOVER_TIMEOUT", "INGEST_DRAIN_TIMEOUT"} {
			d, err := time.ParseDuration(settings[key])
			if err != nil {
				t.Fatal(err)
			}
			stop += d
		}
		if grace := time.Duration(*workers.Template.Spec.TerminationGracePeriodSeconds) * time.Second; grace < stop+30*time.Second {
			t.Errorf("%s: a stop takes up to %v, and has %v", name, stop, grace)
		}
		need := quantity(settings["INGEST_SPOOL_MAX"])
		need.Add(quantity(settings["INGEST_KEEP_BYTES"]))
		if volume := workers.VolumeClaimTemplates[0].Spec.Resources.Requests.Storage(); volume.Cmp(need) <= 0 {
			t.Errorf("%s: the spool may be %v, the volume has %v", name, &need, volume)
		}
		container := workers.Template.Spec.Containers[0]
		soft := quantity(strings.TrimSuffix(c.env(t, container)["GOMEMLIMIT"], "B"))
		if soft.Cmp(*container.Resources.Limits.Memory()) >= 0 {
			t.Errorf("%s: GOMEMLIMIT %v is not below the limit", name, &soft)
		}
		for _, s := range c.scalers {
			pods := s.Spec.Metrics[0].Pods
			if rooms := quantity(settings["INGEST_MAX_ROOMS"]); pods.Target.AverageValue.Cmp(rooms) >= 0 {
				t.Errorf("%s: workers never have more than %v rooms, so that none is added", name, &rooms)
			}
			if !strings.Contains(read(t, root+"/ingest/metrics.go"), `Name: "`+pods.Metric.Name+`"`) {
				t.Errorf("%s: there is no metric %s", name, pods.Metric.Name)
			}
		}
	}
}

// The rule for prometheus-adapter is of its form, and makes the metric that the
// autoscaler asks for.
func TestAdapterRule(t *testing.T) {
	var file struct {
		Rules []struct {
			SeriesQuery string `json:"seriesQuery"`
			Resources   struct {
				Overrides map[string]struct {
					Resource string `json:"resource"`
				} `json:"overrides"`
			} `json:"resources"`
			Name struct {
				Matches string `json:"matches"`
				As      string `json:"as"`
			} `json:"name"`
			MetricsQuery string `json:"metricsQuery"`
		} `json:"rules"`
	}
	if err := yaml.UnmarshalStrict([]byte(read(t, "../components/autoscale/prometheus-adapter.yaml")), &file); err != nil {
		t.Fatal(err)
	}
	metric := build(t, "../overlays/example").scalers[0].Spec.Metrics[0].Pods.Metric.Name
	rule := file.Rules[0]
	if rule.Name.As != metric || !strings.HasPrefix(rule.SeriesQuery, metric+"{") || !regexp.MustCompile(rule.Name.Matches).MatchString(metric) {
		t.Errorf("%+v makes no %s", rule, metric)
	}
}

// The image is that of docker compose, and nothing runs an image without a
// version.
func TestImages(t *testing.T) {
	compose := read(t, root+"/docker-compose.yml")
	image := regexp.MustCompile(`image: (kslive-ingest:)\$\{VERSION:-(\w+)\}`).FindStringSubmatch(compose)
	user := regexp.MustCompile(`build:[^#]*?\n  user: "(\d+):(\d+)"`).FindStringSubmatch(compose)
	if image == nil || user == nil {
		t.Fatal("docker-compose.yml is not as this test knows it")
	}
	for name, c := range both(t) {
		for kind, pod := range c.pods() {
			got := pod.Spec.Containers[0].Image
			if name == "base" && got != image[1]+image[2] || !regexp.MustCompile(`:(local|\d+\.\d+\.\d+)$`).MatchString(got) {
				t.Errorf("%s: %s: the image is %s", name, kind, got)
			}
			if as := pod.Spec.SecurityContext; fmt.Sprint(*as.RunAsUser) != user[1] || *as.FSGroup != *as.RunAsGroup {
				t.Errorf("%s: %s runs as %d", name, kind, *as.RunAsUser)
			}
		}
	}
}
