# Servers other than nginx, whose responses are defined byte for byte by a sub of the test. One process runs all of them, with
# parallel connections, and ends with its parent.
#
#   raw_servers({NAME => PORT, ...}, sub { my ($name, $bytes) = @_; ... })
#
# The sub gets all bytes received on a connection so far, and returns the response, which ends the connection, or undef to wait.

package RawServers;

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use POSIX ();
use Test::More ();

our @EXPORT = qw(raw_servers);

my $tests = $$;
my @pids;

sub raw_servers {
    my ($port, $answer) = @_;
    my %listening;
    for my $name (keys %$port) {
        my $socket = IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $port->{$name}, Listen => 64, ReuseAddr => 1)
            or Test::More::BAIL_OUT("cannot listen on port $port->{$name}: $@");
        $listening{fileno $socket} = {name => $name, socket => $socket};
    }
    my $pid = fork // Test::More::BAIL_OUT("fork: $!");
    push @pids, $pid;
    return if $pid;
    serve($answer, %listening);
    POSIX::_exit(0);
}

END { kill 'TERM', @pids if @pids && $$ == $tests }

sub serve {
    my ($answer, %listening) = @_;
    local $SIG{PIPE} = 'IGNORE';
    my $select = IO::Select->new(map { $_->{socket} } values %listening);
    my %read;
    while (getppid == $tests) {
        for my $ready ($select->can_read(1)) {
            if (my $server = $listening{fileno $ready}) {
                my $client = $ready->accept or next;
                $read{$client} = [$server->{name}, ''];
                $select->add($client);
                next;
            }
            my $state = $read{$ready};
            my $got = sysread $ready, $state->[1], 65536, length $state->[1];
            my $text = $got ? $answer->(@$state) : '';
            next if !defined $text;
            syswrite $ready, $text;
            delete $read{$ready};
            $select->remove($ready);
            close $ready;
        }
    }
}

1;
