// Package latency counts how long things took, and tells percentiles: the histogram that
// the load tests of all applications share.
//
// A worker owns a [Histogram] and adds to it, one value per request, without allocating.
// Whoever reports merges those of all workers into one of its own, inside of worker.Do,
// and makes [Percentiles] of it, which print as text and as JSON.
package latency
