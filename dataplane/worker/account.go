package worker

import "vpphost/dataplane/mem"

// Account is memory of a worker under a name, for "show memory".
type Account struct {
	name  string
	usage func() mem.Usage
}

// Account enters memory that belongs to the worker; usage is called there. On a running
// worker call it through Do.
func (w *Worker) Account(name string, usage func() mem.Usage) *Account {
	a := &Account{name, usage}
	w.accounts = append(append([]*Account(nil), w.accounts...), a)
	return a
}

// CloseAccount undoes Account, before the memory is unmapped.
func (w *Worker) CloseAccount(a *Account) {
	var list []*Account
	for _, x := range w.accounts {
		if x != a {
			list = append(list, x)
		}
	}
	w.accounts = list
}

// PoolMemory is what an Account holds, or a pool that a command has asked itself.
type PoolMemory struct {
	Thread int    `json:"thread"`
	Name   string `json:"name"`
	mem.Usage
	Resident uint64 `json:"resident"` // bytes in memory
}

// Accounts are those of all workers. What is resident the kernel is asked here, while the
// workers go on. Control path.
func Accounts(workers []*Worker) ([]PoolMemory, error) {
	out := []PoolMemory{}
	err := onAll(workers, func(w *Worker) {
		for _, a := range w.accounts {
			out = append(out, PoolMemory{Thread: w.Index, Name: a.name, Usage: a.usage()})
		}
	})
	for i := range out {
		out[i].Ask()
	}
	return out, err
}

// Ask asks the kernel how much is resident. Not on a worker: it may take a millisecond.
func (m *PoolMemory) Ask() { m.Resident = m.Usage.Resident() }
