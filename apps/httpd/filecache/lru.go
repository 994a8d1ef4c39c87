package filecache

// lru is a heap of entries by the time of their last use, as far as the heap knows it:
// workers use entries without telling. So the first one is only a candidate, whose real time
// decides (Cache.evict).
type lru struct {
	heap []lruItem
	at   []int32 // by entry: place in the heap and 1 more
}

type lruItem struct {
	used  int64
	entry uint32
}

func (l *lru) put(i int, x lruItem) {
	l.heap[i] = x
	l.at[x.entry] = int32(i) + 1
}

func (l *lru) push(x lruItem) {
	l.heap = append(l.heap, x)
	l.up(len(l.heap)-1, x)
}

// touch corrects the time of the first item, which has become later.
func (l *lru) touch(used int64) {
	x := l.heap[0]
	x.used = used
	l.down(0, x)
}

func (l *lru) remove(entry uint32) {
	i := int(l.at[entry]) - 1
	if i < 0 {
		return
	}
	l.at[entry] = 0
	last := l.heap[len(l.heap)-1]
	l.heap = l.heap[:len(l.heap)-1]
	if i == len(l.heap) {
		return
	}
	if i > 0 && last.used < l.heap[(i-1)/2].used {
		l.up(i, last)
	} else {
		l.down(i, last)
	}
}

func (l *lru) up(i int, x lruItem) {
	for i > 0 && x.used < l.heap[(i-1)/2].used {
		l.put(i, l.heap[(i-1)/2])
		i = (i - 1) / 2
	}
	l.put(i, x)
}

func (l *lru) down(i int, x lruItem) {
	for {
		k := 2*i + 1
		if k >= len(l.heap) {
			break
		}
		if k+1 < len(l.heap) && l.heap[k+1].used < l.heap[k].used {
			k++
		}
		if x.used <= l.heap[k].used {
			break
		}
		l.put(i, l.heap[k])
		i = k
	}
	l.put(i, x)
}
