// Package ip: see seam.go.
package ip
