// hashicorp/memberlist (Debian golang-github-hashicorp-memberlist-dev), N nodes in one process.
// Same measures and same output lines as the Rust harness.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand"
	"os"
	"os/exec"
	"sort"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/hashicorp/memberlist"
)

type node struct {
	i    int
	mu   sync.Mutex
	meta []byte
	ml   *memberlist.Memberlist
}

var (
	cur   uint64
	seen  []int64
	epoch = time.Now()
)

func mark(i int, seq uint64) {
	if atomic.LoadUint64(&cur) == seq {
		atomic.CompareAndSwapInt64(&seen[i], 0, int64(time.Since(epoch)))
	}
}
func (n *node) NodeMeta(limit int) []byte            { n.mu.Lock(); defer n.mu.Unlock(); return n.meta }
func (n *node) NotifyMsg([]byte)                     {}
func (n *node) GetBroadcasts(o, l int) [][]byte      { return nil }
func (n *node) LocalState(join bool) []byte          { return nil }
func (n *node) MergeRemoteState(b []byte, join bool) {}
func (n *node) NotifyJoin(*memberlist.Node)          {}
func (n *node) NotifyLeave(*memberlist.Node)         {}
func (n *node) NotifyUpdate(x *memberlist.Node) {
	if s, err := strconv.ParseUint(string(x.Meta), 10, 64); err == nil {
		mark(n.i, s)
	}
}

type net struct{ bytes, pkts, udp, tcp uint64 }

func readNet() (r net) {
	b, _ := os.ReadFile("/proc/self/net/dev")
	for _, l := range strings.Split(string(b), "\n") {
		l = strings.TrimSpace(l)
		if strings.HasPrefix(l, "lo:") {
			f := strings.Fields(l[3:])
			r.bytes, _ = strconv.ParseUint(f[8], 10, 64)
			r.pkts, _ = strconv.ParseUint(f[9], 10, 64)
		}
	}
	f, _ := os.Open("/proc/self/net/snmp")
	defer f.Close()
	s := bufio.NewScanner(f)
	for s.Scan() {
		k := strings.Fields(s.Text())
		s.Scan()
		v := strings.Fields(s.Text())
		for i := range k {
			if k[0] == "Udp:" && k[i] == "OutDatagrams" {
				r.udp, _ = strconv.ParseUint(v[i], 10, 64)
			}
			if k[0] == "Tcp:" && k[i] == "OutSegs" {
				r.tcp, _ = strconv.ParseUint(v[i], 10, 64)
			}
		}
	}
	return
}
func (a net) sub(b net) net {
	return net{a.bytes - b.bytes, a.pkts - b.pkts, a.udp - b.udp, a.tcp - b.tcp}
}
func cpu() float64 {
	var u syscall.Rusage
	syscall.Getrusage(syscall.RUSAGE_SELF, &u)
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}
func kb(file, key string) float64 {
	b, _ := os.ReadFile(file)
	for _, l := range strings.Split(string(b), "\n") {
		if strings.HasPrefix(l, key) {
			x, _ := strconv.ParseFloat(strings.Fields(l)[1], 64)
			return x
		}
	}
	return 0
}
func loss(p int, mode string) {
	exec.Command("nft", "delete", "table", "inet", "pb").Run()
	if p == 0 {
		return
	}
	c := exec.Command("nft", "-f", "-")
	what := "meta l4proto udp"
	if mode == "all" {
		what = ""
	}
	c.Stdin = strings.NewReader(fmt.Sprintf("table inet pb {\n chain c {\n type filter hook input priority 0; policy accept;\n %s numgen random mod 100 < %d drop\n }\n}\n", what, p))
	if err := c.Run(); err != nil {
		panic(err)
	}
}
func quant(v []float64, q float64) float64 {
	if len(v) == 0 {
		return 0
	}
	s := append([]float64{}, v...)
	sort.Float64s(s)
	i := int(float64(len(s))*q+0.999999) - 1
	if i < 0 {
		i = 0
	}
	return s[i]
}

func main() {
	n := flag.Int("n", 8, "")
	cfg := flag.String("cfg", "default", "")
	only := flag.String("only", "", "")
	updates := flag.Int("updates", 0, "")
	idle := flag.Int("idle", 10, "")
	settle := flag.Int("settle", 5000, "")
	window := flag.Int("window", 2000, "")
	limit := flag.Int("limit", 15, "")
	losses := flag.String("loss", "0", "")
	marginal := flag.Int("marginal", 1, "")
	lossmode := flag.String("lossmode", "dgram", "")
	jitter := flag.Int("jitter", 1000, "")
	joinlimit := flag.Int("joinlimit", 60, "")
	flag.Int("stagger", 0, "the nodes start one after the other anyway")
	flag.Parse()
	rand.Seed(time.Now().UnixNano())
	seen = make([]int64, *n)
	rss0 := kb("/proc/self/status", "VmRSS:")
	head := func(k string) map[string]interface{} {
		return map[string]interface{}{"kind": k, "peer": "memberlist-go", "cfg": *cfg, "n": *n}
	}
	out := func(m map[string]interface{}) { b, _ := json.Marshal(m); fmt.Println(string(b)) }
	ns := make([]*node, *n)
	n0, c0 := readNet(), cpu()
	t0 := time.Now()
	var wg sync.WaitGroup
	for i := range ns {
		c := memberlist.DefaultLANConfig()
		switch *cfg {
		case "default":
		case "local":
			c = memberlist.DefaultLocalConfig()
		case "tuned":
			c.GossipInterval = 100 * time.Millisecond
		default:
			panic(*cfg)
		}
		ns[i] = &node{i: i}
		c.Name = fmt.Sprintf("node-%04d", i)
		c.BindAddr, c.AdvertiseAddr = "127.0.0.1", "127.0.0.1"
		c.BindPort, c.AdvertisePort = 20000+i, 20000+i
		c.Delegate, c.Events = ns[i], ns[i]
		c.Logger = log.New(io.Discard, "", 0)
		m, err := memberlist.Create(c)
		if err != nil {
			panic(err)
		}
		ns[i].ml = m
		if i > 0 {
			wg.Add(1)
			go func() { defer wg.Done(); m.Join([]string{"127.0.0.1:20000"}) }()
		}
	}
	i := 0
	for i < *n && time.Since(t0) < time.Duration(*joinlimit)*time.Second {
		for i < *n && ns[i].ml.NumMembers() >= *n {
			i++
		}
		if i < *n {
			time.Sleep(5 * time.Millisecond)
		}
	}
	d := readNet().sub(n0)
	m := head("join")
	m["ms"] = float64(time.Since(t0).Microseconds()) / 1e3
	if i < *n {
		m["ms"] = nil
	}
	m["full_nodes"], m["bytes"], m["packets"], m["udp"], m["tcp"] = i, d.bytes, d.pkts, d.udp, d.tcp
	m["cpu_s"], m["limit_s"] = cpu()-c0, *joinlimit
	out(m)
	end := func() {
		m := head("end")
		m["secs"], m["cpu_s"] = time.Since(t0).Seconds(), cpu()
		out(m)
	}
	defer end()
	if *only == "join" {
		return
	}
	time.Sleep(time.Duration(*settle) * time.Millisecond)
	if *idle > 0 {
		n1, c1, t1 := readNet(), cpu(), time.Now()
		time.Sleep(time.Duration(*idle) * time.Second)
		el := time.Since(t1).Seconds() * float64(*n)
		d := readNet().sub(n1)
		m := head("idle")
		rss := kb("/proc/self/status", "VmRSS:")
		m["bytes_per_node_s"], m["packets_per_node_s"] = float64(d.bytes)/el, float64(d.pkts)/el
		m["cpu_ms_per_node_s"] = (cpu() - c1) * 1e3 / el
		m["rss_kb_per_node"], m["rss_grown_kb_per_node"] = rss/float64(*n), (rss-rss0)/float64(*n)
		m["pss_kb_per_node"] = kb("/proc/self/smaps_rollup", "Pss:") / float64(*n)
		out(m)
	}
	seq := uint64(0)
	win := time.Duration(*window) * time.Millisecond
	for _, l := range strings.Split(*losses, ",") {
		if *updates == 0 {
			break
		}
		pct, _ := strconv.Atoi(l)
		loss(pct, *lossmode)
		if pct > 0 {
			time.Sleep(2 * time.Second)
		}
		ib, ip := []float64{}, []float64{}
		for k := 0; k < 6 && *marginal == 1; k++ {
			n1 := readNet()
			time.Sleep(win)
			d := readNet().sub(n1)
			ib, ip = append(ib, float64(d.bytes)), append(ip, float64(d.pkts))
		}
		all, per, wb, wp, inc := []float64{}, []float64{}, []float64{}, []float64{}, []int{}
		for u := 0; u < *updates; u++ {
			seq++
			src := (u*7 + 3) % *n
			n1, t1 := readNet(), time.Now()
			for k := range seen {
				atomic.StoreInt64(&seen[k], 0)
			}
			atomic.StoreUint64(&cur, seq)
			s0 := int64(time.Since(epoch))
			atomic.StoreInt64(&seen[src], s0)
			x := ns[src]
			x.mu.Lock()
			x.meta = []byte(strconv.FormatUint(seq, 10))
			x.mu.Unlock()
			go x.ml.UpdateNode(5 * time.Second)
			done, wind := false, false
			for !(done && wind) && time.Since(t1) < time.Duration(*limit)*time.Second {
				done = true
				for k := range seen {
					if atomic.LoadInt64(&seen[k]) == 0 {
						done = false
					}
				}
				if !wind && time.Since(t1) >= win {
					wind = true
					d := readNet().sub(n1)
					wb, wp = append(wb, float64(d.bytes)), append(wp, float64(d.pkts))
				}
				time.Sleep(2 * time.Millisecond)
			}
			mx, cnt := 0.0, 0
			for k := range seen {
				if s := atomic.LoadInt64(&seen[k]); s != 0 {
					cnt++
					v := float64(s-s0) / 1e6
					if v > mx {
						mx = v
					}
					if v > 0 {
						per = append(per, v)
					}
				}
			}
			if cnt == *n {
				all = append(all, mx)
			} else {
				inc = append(inc, cnt)
			}
			time.Sleep(time.Duration(50+rand.Intn(*jitter)) * time.Millisecond)
		}
		low := *n
		for _, x := range ns {
			if k := x.ml.NumMembers(); k < low {
				low = k
			}
		}
		m := head("update")
		m["loss"], m["lossmode"], m["updates"], m["all_ms"], m["incomplete"] = pct, *lossmode, *updates, all, inc
		m["node_p50"], m["node_p99"] = quant(per, .5), quant(per, .99)
		m["win_bytes"], m["win_packets"], m["idle_bytes"], m["idle_packets"], m["min_members_after"] = wb, wp, ib, ip, low
		m["limit_s"], m["win_ms"] = *limit, *window
		out(m)
		loss(0, *lossmode)
	}
}
