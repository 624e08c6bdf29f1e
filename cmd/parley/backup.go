package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/parley-chat/parley/internal/backup"
)

// stdio in place of a file name means standard input or output.
const stdio = "-"

type backupCommand struct {
	Data    string `help:"Data directory. The server may be running." required:"" type:"path" env:"PARLEY_DATA"`
	To      string `help:"File to make; it must not exist. - writes to standard output." required:"" placeholder:"FILE"`
	Scratch string `help:"Directory for a copy of the database meanwhile. Default: that of the backup, or for standard output the system's for temporary files." type:"existingdir" placeholder:"DIR" env:"PARLEY_SCRATCH"`
	NoCheck bool   `name:"no-check" help:"Do not check the copy of the database."`
}

// Help implements kong.HelpProvider.
func (backupCommand) Help() string {
	return `Everything that was acknowledged before the backup began is in it: the database, the files, and what "parley dev" keeps. ` +
		`It is one tar file; "parley restore" makes a data directory of it and "parley verify" checks it. ` +
		`It holds messages and keys: keep it as you keep the data directory.

The file is there when it is whole and on disk, and not before. Progress goes to standard error.

Exit codes: 0 done, 1 failed or interrupted (there is no backup), 2 wrong usage, 3 done, but the data is damaged (see parley verify).`
}

// Run makes a backup.
func (c backupCommand) Run(ctx context.Context, out io.Writer) error {
	source := backup.Source{
		Dir: c.Data, To: c.To, Scratch: c.Scratch, Unchecked: c.NoCheck, Version: version(), Progress: progress(os.Stderr),
	}
	if c.To == stdio {
		source.To, source.Out = "", out
	}
	m, report, err := backup.Create(ctx, source)
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(os.Stderr, "parley: backed up %d entries of %d meetings and %d files (%s) as of %s\n",
		m.Cut.Entries, m.Cut.Meetings, report.Files, size(m.Bytes), m.CreatedAt.Format(time.RFC3339))
	if !report.Clean() {
		printDamage(os.Stderr, report)
		return exitError{exitDamaged, fmt.Errorf("the backup was made, of damaged data: %d pieces of damage", report.Pieces())}
	}
	return nil
}

type restoreCommand struct {
	From    string `help:"Backup to restore. - reads standard input." required:"" placeholder:"FILE"`
	Data    string `help:"Data directory to make; it must be empty or not exist." required:"" type:"path" env:"PARLEY_DATA"`
	NewKeys bool   `name:"new-keys" help:"Let the server make new keys. Participants' tokens and links to files that were given out stop working; API tokens go on."`

	NoWebhooks bool `name:"no-webhooks" help:"Switch all webhooks off and drop what waits to be delivered, for a copy beside the original."`
}

// Help implements kong.HelpProvider.
func (restoreCommand) Help() string {
	return `Run it as the user who will run the server. Sessions that were live at the time of the backup go on; ` +
		`those of their peers who do not come back within a minute of the server's start have left. ` +
		`Webhooks may be delivered a second time. ` +
		`For a copy beside the original, use --new-keys, so that the people of one are not let into the other, and --no-webhooks.

If it fails or is interrupted, the directory is as it was.

Exit codes: 0 done, 1 failed or interrupted (nothing was restored), 2 wrong usage.`
}

// Run restores a backup.
func (c restoreCommand) Run(ctx context.Context) error {
	from := os.Stdin
	if c.From != stdio {
		var err error
		if from, err = os.Open(c.From); err != nil {
			return err
		}
		defer from.Close()
	}
	m, err := backup.Restore(ctx, backup.Target{
		From: from, Dir: c.Data, NewKeys: c.NewKeys, NoWebhooks: c.NoWebhooks, Progress: progress(os.Stderr),
	})
	if err != nil {
		return err
	}
	_, _ = fmt.Fprintf(os.Stderr, "parley: restored %d entries of %d meetings as of %s into %s\n",
		m.Cut.Entries, m.Cut.Meetings, m.CreatedAt.Format(time.RFC3339), c.Data)
	return nil
}

type verifyCommand struct {
	Path    string `arg:"" optional:"" help:"Data directory, whose server may be running, or a backup; - reads a backup from standard input." env:"PARLEY_DATA"`
	NoFiles bool   `name:"no-files" help:"Of a data directory, check the database only."`
	Scratch string `help:"Directory for the database of a backup meanwhile. Default: the system's for temporary files." type:"existingdir" placeholder:"DIR" env:"PARLEY_SCRATCH"`
	JSON    bool   `name:"json" help:"Print one line of JSON."`
}

// Help implements kong.HelpProvider.
func (verifyCommand) Help() string {
	return `It reads every row and every file and changes nothing. Damage is named by meeting and entry, never by what was said. ` +
		`Files that nothing points to are listed; they are no damage.

Exit codes: 0 nothing is damaged, 1 there is damage, 2 it could not be checked, or wrong usage.`
}

// Run checks a data directory or a backup.
func (c verifyCommand) Run(ctx context.Context, out io.Writer) error {
	if c.Path == "" {
		return exitError{exitUsage, errors.New("name a data directory or a backup")}
	}
	report, err := c.verify(ctx)
	if err != nil {
		return exitError{exitUnchecked, err}
	}
	if c.JSON {
		err = printJSON(out, report)
	} else {
		err = printReport(out, report)
	}
	if err != nil {
		return exitError{exitUnchecked, err}
	}
	if !report.Clean() {
		return exitError{exitFailure, nil}
	}
	return nil
}

func (c verifyCommand) verify(ctx context.Context) (*backup.Report, error) {
	told := progress(os.Stderr)
	if c.Path == stdio {
		_, report, err := backup.VerifyArchive(ctx, os.Stdin, c.Scratch, told)
		return report, err
	}
	info, err := os.Stat(c.Path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		return backup.VerifyDir(ctx, c.Path, c.NoFiles, told)
	}
	from, err := os.Open(c.Path)
	if err != nil {
		return nil, err
	}
	defer from.Close()
	_, report, err := backup.VerifyArchive(ctx, from, c.Scratch, told)
	return report, err
}

func printJSON(out io.Writer, r *backup.Report) error {
	return json.NewEncoder(out).Encode(struct {
		Clean bool `json:"clean"`
		*backup.Report
		Rows       int64   `json:"rows"`
		RowsSecond float64 `json:"rows_per_second"`
	}{r.Clean(), r, r.Rows(), rate(r)})
}

func printReport(out io.Writer, r *backup.Report) error {
	printDamage(out, r)
	for _, name := range r.Orphans {
		_, _ = fmt.Fprintf(out, "nothing points to the file %s\n", name)
	}
	if r.MoreOrphans > 0 {
		_, _ = fmt.Fprintf(out, "nothing points to %d more files\n", r.MoreOrphans)
	}
	verdict := "nothing is damaged"
	if !r.Clean() {
		verdict = fmt.Sprintf("%d pieces of damage", r.Pieces())
	}
	_, err := fmt.Fprintf(out, "checked %d rows (%.0f a second) and %d files (%s): %s\n", r.Rows(), rate(r), r.Files, size(r.Bytes), verdict)
	return err
}

// printDamage prints a line for each piece of damage.
func printDamage(out io.Writer, r *backup.Report) {
	for _, f := range r.Damage {
		where := ""
		if f.Meeting != "" {
			where = "meeting " + string(f.Meeting) + ": "
		}
		if f.Seq != 0 {
			where = fmt.Sprintf("meeting %s, entry %d: ", f.Meeting, f.Seq)
		}
		_, _ = fmt.Fprintf(out, "damage (%s): %s%s\n", f.Code, where, f.Detail)
	}
	if r.MoreDamage > 0 {
		_, _ = fmt.Fprintf(out, "damage: %d more pieces\n", r.MoreDamage)
	}
}

func rate(r *backup.Report) float64 {
	if r.Took <= 0 {
		return 0
	}
	return float64(r.Rows()) / r.Took.Seconds()
}

// size writes a number of bytes for people.
func size(n int64) string {
	const unit = 1 << 10
	if n < unit {
		return fmt.Sprintf("%d B", n)
	}
	value, names := float64(n)/unit, []string{"KiB", "MiB", "GiB", "TiB"}
	for len(names) > 1 && value >= unit {
		value, names = value/unit, names[1:]
	}
	return fmt.Sprintf("%.1f %s", value, names[0])
}

// progress writes a line every few seconds, so that short work is silent.
func progress(to io.Writer) backup.Progress {
	const every = 3 * time.Second
	last := time.Now()
	return func(step string, done, all int64) {
		if time.Since(last) < every {
			return
		}
		last = time.Now()
		if all > 0 {
			_, _ = fmt.Fprintf(to, "parley: %s: %d of %d\n", step, done, all)
		} else {
			_, _ = fmt.Fprintf(to, "parley: %s: %d\n", step, done)
		}
	}
}

// exitError ends the process with a code of its own. err may be nil where all
// has been said.
type exitError struct {
	code int
	err  error
}

func (e exitError) Error() string {
	if e.err == nil {
		return ""
	}
	return e.err.Error()
}

func (e exitError) Unwrap() error { return e.err }

// exitCode tells how to end after an error, and whether to say it.
func exitCode(err error) (code int, say bool) {
	if e, ok := errors.AsType[exitError](err); ok {
		return e.code, e.err != nil
	}
	return exitFailure, true
}
