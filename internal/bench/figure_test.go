package bench

import (
	"reflect"
	"testing"
	"time"
)

func TestFiguresAreToldInALine(t *testing.T) {
	var f Figures
	add(&f, "resident memory per peer", 7931.6, "bytes")
	add(&f, "goroutines per peer", 2, "")
	add(&f, "heard p50", 68.74, "ms")
	if got, want := f.String(), "resident memory per peer 7932 bytes, goroutines per peer 2.000, heard p50 68.7 ms"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func TestMediansOfSpecialLoadsAreOfEachFigure(t *testing.T) {
	var rounds []Result
	for _, v := range [][2]float64{{3, 7}, {1, 9}, {2, 8}} {
		rounds = append(rounds, Result{Figures: Figures{{"one", v[0], "s"}, {"other", v[1], "ms"}}})
	}
	got := Medians(rounds)
	if want := (Result{Figures: Figures{{"one", 2, "s"}, {"other", 8, "ms"}}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
	if rounds[0].Figures[0].Value != 3 {
		t.Error("the figures of a round were changed")
	}
}

func TestScaleIsOfMessagesOrOfPeople(t *testing.T) {
	for name, want := range map[string]Workload{
		"W1-1": {People: 500, Messages: 200},
		"W3":   {People: 500, Rest: 3 * time.Second},
		"W5":   {People: 1, Messages: 100_000},
		"W6":   {People: 1000, Messages: 20, Rest: 150 * time.Millisecond},
	} {
		got, err := Named(name, 0.1)
		if err != nil {
			t.Fatal(err)
		}
		if w := got[0]; w.People != want.People || w.Messages != want.Messages || w.Rest != want.Rest {
			t.Errorf("%s at a tenth has %d people, %d messages and rests %v; want %d, %d and %v",
				name, w.People, w.Messages, w.Rest, want.People, want.Messages, want.Rest)
		}
	}
	if got, err := Named("W3", 2); err != nil || got[0].Rest != 30*time.Second {
		t.Errorf("a larger load rests %v, %v", got[0].Rest, err)
	}
}

func TestAllocationsAreThoseOfADelivery(t *testing.T) {
	if got := (Result{Mallocs: 30, Deliveries: 10_000}).PerDelivery(); got != 0.003 {
		t.Errorf("got %v, want 0.003", got)
	}
}

func TestALoadThatNeedsMoreFilesThanThereAreSaysSo(t *testing.T) {
	if err := enoughFiles(1 << 40); err == nil {
		t.Error("so many connections are thought possible")
	}
	if err := enoughFiles(1); err != nil {
		t.Error(err)
	}
}
