// Package check proves of what kustomize makes of deploy/kubernetes, without a
// cluster: it is of Kubernetes's own types, its parts find each other, its pods
// are allowed under the restricted Pod Security Standard, and the binary takes the
// settings that it is given. It is a module of its own so that what it needs stays
// out of ours.
package check
