# The nginx of a block while it runs: another configuration, a restart, its workers, its log.
#
#   configure(PATTERN, TEXT)   replaces every match in the configuration with TEXT, for the next reload or start
#   tested()                   what nginx -t prints for the configuration
#   restart()                  stops nginx and starts it again; true once it accepts connections
#   master()                   PID of the master process
#   children()                 PIDs of its workers
#   kill_worker(PID)           kills a worker; true if it existed
#   log_lines(PATTERN)         the matching lines of its log

package Running;

use strict;
use warnings;

use Client;
use Exporter 'import';
use IO::Socket::INET;
use Test::Nginx::Util ();
use Time::HiRes 'sleep';
use Visits ();

our @EXPORT = qw(configure tested restart master children kill_worker log_lines);

sub read_configuration {
    my $path = $Test::Nginx::Util::ConfFile;
    open my $in, '<', $path or die "cannot read $path: $!\n";
    local $/;
    return readline $in;
}

sub configure {
    my ($from, $to) = @_;
    my $path = $Test::Nginx::Util::ConfFile;
    my $text = read_configuration();
    $text =~ s/$from/$to/g or die "no $from in $path\n";
    open my $out, '>', $path or die "cannot write $path: $!\n";
    print $out $text;
    close $out or die "cannot write $path: $!\n";
    return;
}

sub tested {
    return `$ENV{TEST_NGINX_BINARY} -t -e stderr -c $Test::Nginx::Util::ConfFile -p $Test::Nginx::Util::ServRoot 2>&1`;
}

sub master {
    open my $file, '<', $Test::Nginx::Util::PidFile or die "no pid file: $!\n";
    chomp(my $pid = readline $file);
    return $pid;
}

sub children { my $master = master(); return split ' ', Visits::workers_of($master) }

# build/judge-valgrind.sh does not require valgrind's final report for a worker that is listed in this file.
sub kill_worker {
    my ($worker) = @_;
    open my $killed, '>>', "$ENV{CHECK_DIR}/killed" or die "cannot note a worker that is killed: $!\n";
    print $killed "$worker\n";
    close $killed or die "cannot note a worker that is killed: $!\n";
    return kill KILL => $worker;
}

sub restart {
    # Under valgrind, nginx is not a daemon but a child of the test.
    return Visits::reload() if $ENV{TEST_NGINX_USE_VALGRIND};
    my $master = master();
    kill QUIT => $master;
    soon(sub { !kill 0 => $master }) or return 0;
    my @log = (-e => $Test::Nginx::Util::ErrLogFile);
    system($ENV{TEST_NGINX_BINARY}, @log, -c => $Test::Nginx::Util::ConfFile, -p => "$Test::Nginx::Util::ServRoot/") == 0
        or return 0;
    return soon(sub {
        IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => Test::Nginx::Util::server_port());
    });
}

sub log_lines {
    my ($pattern) = @_;
    open my $log, '<', $Test::Nginx::Util::ErrLogFile or die "cannot read the log: $!\n";
    return grep { /$pattern/ } readline $log;
}

1;
