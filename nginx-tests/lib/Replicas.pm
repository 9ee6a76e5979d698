# Further nginx instances, each with a complete configuration, of the same binary and with the same modules. They run until the
# end of the file.
#
#   start_replica(NAME, TEXT)  starts one. In TEXT, ROOT is its folder, which has logs in ROOT/logs; the configuration must set
#                              "pid ROOT/nginx.pid"
#   rewrite_replica(NAME, TEXT)  the configuration for its next reload
#   reload_replica(NAME)       reloads it, and returns once only new workers accept connections
#   stop_replica(NAME)         stops it
#   root_of(NAME)              its folder
#   verdict(TEXT)              what nginx -t prints for such a configuration
#   modules()                  the directives that load the modules and set the user of the workers

package Replicas;

use strict;
use warnings;

use Client;
use Exporter 'import';
use Test::Nginx::Util ();
use Visits ();

our @EXPORT = qw(start_replica rewrite_replica reload_replica stop_replica root_of verdict modules);

my %masters;
my $tests = $$;

sub modules {
    my $modules = join '', map { "load_module $_;\n" } split ' ', $ENV{TEST_NGINX_LOAD_MODULES};
    return $modules . ($> == 0 ? "user root;\n" : '');
}

sub root_of { my ($name) = @_; return Test::Nginx::Util::server_root() . "/../$name-$tests" }

# Writes the configuration, and returns the folder.
sub written {
    my ($name, $text) = @_;
    my $root = root_of($name);
    for my $folder ($root, "$root/logs") {
        -d $folder or mkdir $folder or die "cannot make $folder: $!\n";
    }
    open my $conf, '>', "$root/nginx.conf" or die "cannot write $root/nginx.conf: $!\n";
    print $conf $text =~ s/\bROOT\b/$root/gr;
    close $conf or die "cannot write $root/nginx.conf: $!\n";
    return $root;
}

sub arguments { my ($root) = @_; return ('-p', $root, '-c', "$root/nginx.conf") }

sub start_replica {
    my ($name, $text) = @_;
    my $root = written($name, $text);
    unlink "$root/nginx.pid";
    system($ENV{TEST_NGINX_BINARY}, '-e', "$root/logs/error.log", arguments($root)) == 0 or die "nginx $name does not start\n";
    # nginx writes the file after it has moved to the background.
    my $pid = soon(sub { open my $file, '<', "$root/nginx.pid" or return 0; return readline $file })
        or die "nginx $name writes no $root/nginx.pid\n";
    chomp($masters{$name} = $pid);
    return;
}

sub rewrite_replica { my ($name, $text) = @_; written($name, $text); return }

sub reload_replica { my ($name) = @_; return Visits::reload($masters{$name}) }

sub stop_replica {
    my ($name) = @_;
    my $master = delete $masters{$name} or return;
    kill TERM => $master;
    soon(sub { has_ended($master) }) or die "nginx $name does not end\n";
    return;
}

# Also true for a process that init has not yet reaped: it no longer has a command line.
sub has_ended {
    my ($pid) = @_;
    open my $file, '<', "/proc/$pid/cmdline" or return 1;
    return !length(readline($file) // '');
}

sub verdict {
    my ($text) = @_;
    my @words = ($ENV{TEST_NGINX_BINARY}, '-t', '-e', 'stderr', arguments(written('verdict', $text)));
    return `@words 2>&1`;
}

END {
    if ($$ == $tests) {
        local $?;
        stop_replica($_) for keys %masters;
    }
}

1;
