package sqlite

import "testing"

func TestNumbersOfAPackedRowAreReadWhateverTheirLength(t *testing.T) {
	for text, want := range map[string]int64{
		"0 rest": 0, "7 rest": 7, "-12 rest": -12, "1780480800123 rest": 1780480800123,
		"123456789012345678 rest": 123456789012345678, "9223372036854775807 rest": 9223372036854775807, "-9223372036854775808 rest": -9223372036854775808,
	} {
		n, rest, ok := leadingNumber(text)
		if !ok || n != want || rest != "rest" {
			t.Errorf("%q is read as %d, %q, %v", text, n, rest, ok)
		}
	}
}

func TestWhatIsNoNumberIsDamage(t *testing.T) {
	for _, text := range []string{"", " ", " 1 ", "1", "x ", "1x ", "1.5 ", "- ", "9223372036854775808 ", "123456789012345678901234567890"} {
		if n, rest, ok := leadingNumber(text); ok {
			t.Errorf("%q is read as %d and %q", text, n, rest)
		}
	}
}
