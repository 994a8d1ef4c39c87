// Package iface: see iface.go.
package iface
