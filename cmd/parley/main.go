// Command parley is meeting chat that you host yourself. See parley --help.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"runtime/debug"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes. "parley verify" means its own by the first two: damage found, and
// not able to check.
const (
	exitFailure   = 1
	exitUsage     = 2
	exitUnchecked = 2
	exitDamaged   = 3
)

// cli is the command line. Each flag may be given as an environment variable
// or in the configuration file, too.
type cli struct {
	Config kong.ConfigFlag `help:"JSON file with settings, named like the flags." placeholder:"FILE" env:"PARLEY_CONFIG"`
	Log    logFlags        `embed:"" prefix:"log-"`

	Dev     devCommand     `cmd:"" help:"Try Parley on this machine: a chat in the browser, HTTPS included."`
	Init    initCommand    `cmd:"" help:"Make an app and its API token in a data directory, before the first serve."`
	Token   tokenCommand   `cmd:"" help:"Make, list and revoke API tokens."`
	Serve   serveCommand   `cmd:"" help:"Run a server."`
	Backup  backupCommand  `cmd:"" help:"Copy a data directory, while its server runs, into one file."`
	Restore restoreCommand `cmd:"" help:"Make a data directory of a backup."`
	Verify  verifyCommand  `cmd:"" help:"Check a data directory or a backup to the last byte."`
	Health  healthCommand  `cmd:"" help:"Ask a server whether it is ready."`
	Bench   benchCommand   `cmd:"" help:"Measure what this machine can do: a server under load, by clients on the same machine."`
	Version versionCommand `cmd:"" help:"Print the version."`
}

type logFlags struct {
	Level  string `help:"Least important level that is logged: debug, info, warn or error." enum:"debug,info,warn,error" default:"info" env:"PARLEY_LOG_LEVEL"`
	Format string `help:"text or json." enum:"text,json" default:"text" env:"PARLEY_LOG_FORMAT"`
}

// logger makes the log of the process, on standard error.
func (f logFlags) logger(to io.Writer) *slog.Logger {
	var level slog.Level
	_ = level.UnmarshalText([]byte(f.Level)) // kong has checked it
	options := &slog.HandlerOptions{Level: level}
	if f.Format == "json" {
		return slog.New(slog.NewJSONHandler(to, options))
	}
	return slog.New(slog.NewTextHandler(to, options))
}

type versionCommand struct{}

func (versionCommand) Run(out io.Writer) error {
	_, err := fmt.Fprintln(out, "parley", version())
	return err
}

func version() string {
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}

// newParser makes the parser of the command line.
func newParser(c *cli, options ...kong.Option) *kong.Kong {
	return kong.Must(c, append([]kong.Option{
		kong.Name("parley"),
		kong.Description("Meeting chat that you host yourself, for apps made for RealtimeKit's meeting.chat.\n\n" +
			"Settings come from flags, else from environment variables, else from the file given by --config.\n\n" +
			"Exit codes: 0 done, or stopped in order; 1 failed; 2 wrong usage. Commands whose codes say more tell so in their --help."),
		kong.Configuration(loadSettings),
		kong.UsageOnError(),
	}, options...)...)
}

func main() {
	var c cli
	parser := newParser(&c, kong.Exit(func(code int) {
		if code != 0 {
			code = exitUsage
		}
		os.Exit(code)
	}))
	command, err := parser.Parse(os.Args[1:])
	parser.FatalIfErrorf(err)
	if err := run(command, c.Log.logger(os.Stderr)); err != nil {
		code, say := exitCode(err)
		if say {
			_, _ = fmt.Fprintln(os.Stderr, "parley:", err)
		}
		os.Exit(code)
	}
}

// run carries out a command until it is done or told to stop.
func run(command *kong.Context, log *slog.Logger) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	command.BindTo(ctx, (*context.Context)(nil))
	command.BindTo(os.Stdout, (*io.Writer)(nil))
	return command.Run(log)
}
