package console

import (
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// clean is a text of a stranger's as it can be shown: of at most so many
// characters, without those that steer terminals or turn the direction of what
// stands around it.
func clean(text string, most int) string {
	var b strings.Builder
	for _, r := range text {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) {
			continue
		}
		if most--; most < 0 {
			b.WriteRune('…')
			break
		}
		b.WriteRune(r)
	}
	return b.String()
}

// clock is a time of today, moment any, both in the worker's time zone.
func clock(t time.Time) string { return t.Local().Format("15:04") }

func moment(at any) string {
	switch at := at.(type) {
	case time.Time:
		return at.Local().Format("2006-01-02 15:04:05")
	case *time.Time:
		if at != nil {
			return moment(*at)
		}
	}
	return "–"
}

// whole is a number with spaces between its thousands.
func whole(n uint64) string {
	digits := strconv.FormatUint(n, 10)
	for i := len(digits) - 3; i > 0; i -= 3 {
		digits = digits[:i] + "\u2009" + digits[i:]
	}
	return digits
}

// span is a length of time in one or two units.
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%d d", int(d.Hours())/24)
}

// size is bytes as people read them.
func size(bytes float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	unit := 0
	for bytes >= 1024 && unit < len(units)-1 {
		bytes /= 1024
		unit++
	}
	return strconv.FormatFloat(bytes, 'f', min(unit, 1), 64) + " " + units[unit]
}
