package check

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	"sigs.k8s.io/yaml"
)

const root = "../../.."

// cluster is what one kustomization makes, by kind.
type cluster struct {
	accounts   []core.ServiceAccount
	services   []core.Service
	settings   []core.ConfigMap
	secrets    []core.Secret
	workers    []apps.StatefulSet
	jobs       []batch.Job
	budgets    []policy.PodDisruptionBudget
	scalers    []autoscaling.HorizontalPodAutoscaler
	policies   []networking.NetworkPolicy
	monitors   []monitoring.PodMonitor
	namespaces []core.Namespace
}

// both are what people begin with, and that with all components.
func both(t *testing.T) map[string]*cluster {
	return map[string]*cluster{"base": build(t, "../base"), "example": build(t, "../overlays/example")}
}

// build runs kustomize, and decodes what it makes as strictly as the API server
// does: unknown fields, fields that are there twice and wrong types are errors.
func build(t *testing.T, folder string) *cluster {
	t.Helper()
	made, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), folder)
	if err != nil {
		t.Fatal(err)
	}
	decoder := strictDecoder(t)
	c := new(cluster)
	for _, resource := range made.Resources() {
		text, err := resource.AsYAML()
		if err != nil {
			t.Fatal(err)
		}
		object, _, err := decoder.Decode(text, nil, nil)
		if err != nil {
			t.Fatalf("%s: %s: %v", folder, resource.CurId(), err)
		}
		switch o := object.(type) {
		case *core.ServiceAccount:
			c.accounts = append(c.accounts, *o)
		case *core.Service:
			c.services = append(c.services, *o)
		case *core.ConfigMap:
			c.settings = append(c.settings, *o)
		case *core.Secret:
			c.secrets = append(c.secrets, *o)
		case *apps.StatefulSet:
			c.workers = append(c.workers, *o)
		case *batch.Job:
			c.jobs = append(c.jobs, *o)
		case *policy.PodDisruptionBudget:
			c.budgets = append(c.budgets, *o)
		case *autoscaling.HorizontalPodAutoscaler:
			c.scalers = append(c.scalers, *o)
		case *networking.NetworkPolicy:
			c.policies = append(c.policies, *o)
		case *monitoring.PodMonitor:
			c.monitors = append(c.monitors, *o)
		case *core.Namespace:
			c.namespaces = append(c.namespaces, *o)
		default:
			t.Errorf("%s: nothing is checked of a %T", folder, o)
		}
	}
	if len(c.workers) != 1 || len(c.jobs) != 1 || len(c.settings) != 1 || len(c.services) != 1 || len(c.budgets) != 1 {
		t.Fatalf("%s: parts are missing", folder)
	}
	return c
}

func strictDecoder(t *testing.T) runtime.Decoder {
	t.Helper()
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		core.AddToScheme, apps.AddToScheme, batch.AddToScheme, policy.AddToScheme, autoscaling.AddToScheme, networking.AddToScheme, monitoring.AddToScheme,
	} {
		if err := add(scheme); err != nil {
			t.Fatal(err)
		}
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}

// pods are the templates of pods, by the name of what makes them.
func (c *cluster) pods() map[string]*core.PodTemplateSpec {
	return map[string]*core.PodTemplateSpec{"StatefulSet": &c.workers[0].Spec.Template, "Job": &c.jobs[0].Spec.Template}
}

// Every file is YAML without a key that is there twice, and what is wrong in one
// would be found.
func TestFiles(t *testing.T) {
	seen := 0
	err := filepath.WalkDir("..", func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".yaml") {
			return err
		}
		seen++
		if err := yaml.UnmarshalStrict([]byte(read(t, path)), new(any)); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		return nil
	})
	if err != nil || seen < 15 {
		t.Errorf("%d files were found, %v", seen, err)
	}
	decoder, whole := strictDecoder(t), read(t, "../base/statefulset.yaml")
	for _, bend := range [][2]string{{"replicas: 2", "replicas: two"}, {"serviceName:", "serviceNames:"}, {"    spec:\n", "    spec:\n      volumes: []\n"}} {
		if _, _, err := decoder.Decode([]byte(strings.Replace(whole, bend[0], bend[1], 1)), nil, nil); err == nil {
			t.Errorf("with %q it was taken", bend[1])
		}
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
