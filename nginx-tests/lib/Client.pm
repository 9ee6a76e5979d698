# A client of nginx, and servers that wait, for tests in which several requests or several processes meet.
#
# client_sections(), said before the file's own add_block_preprocessor, lets it have blocks with
#   client    Perl statements of the file's package: they run while nginx does, and say ok, is ... as
#             holds and equals, with the block's name in front
#   workers   how many workers nginx has; 1 without it
# and what they use:
#   ask(PATH, COOKIE, PORT)    sends a request and returns its connection
#   response(ASKED)            the response to it, whole
#   visit(PATH, COOKIE, PORT)  both
#   head(NAME, RESPONSE), body(RESPONSE), status(RESPONSE), bound(RESPONSE): the value of the cookie it sets
#   serve(PORT, ADDRESS)       listens as a server
#   taken(SERVER)              the request that nginx sent it next, undef if none comes
#   answer(TAKEN, TEXT)        lets that server answer
#   soon(SUB)                  calls SUB until it returns true, and returns that; false if it never does
#   everywhere(PATH, COOKIE)   visits that were in every worker: port 1983 is to spread them (reuseport), with
#                              X-Worker to say which it was, and X-Tried which servers it asked
#   bodies(VISITS), tried(VISITS), cookies(VISITS): what they have in common, each value once
#   reload()                   reloads nginx, and returns when new workers serve, and no others

package Client;

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use Test::More ();
use Test::Nginx::Socket ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(client_sections ask response visit head body status bound serve taken answer soon everywhere bodies tried cookies reload holds
                 equals);

our $patience = $ENV{TEST_NGINX_USE_VALGRIND} ? 20 : 5;
our $block_name = '';
our $workers = 1;

sub client_sections {
    Test::Nginx::Socket::add_block_preprocessor(sub {
        my ($block) = @_;
        return if !defined $block->client;
        Test::Nginx::Util::workers($block->workers // 1);
        $block->set_value(config => ($block->config // '') . "\nlocation = /idle { return 200 \"idle\\n\"; }\n");
        $block->set_value(request => 'GET /idle');
    });
    Test::Nginx::Socket::add_response_body_check(sub {
        my ($block, undef, undef, undef, $dry_run) = @_;
        return if $dry_run || !defined $block->client;
        $block_name = $block->name;
        $workers = $block->workers // 1;
        my $line = $block->client =~ s/^/    /gmr;
        eval "package main; no strict; $line; 1" or Test::More::fail("$block_name - it ends with $@");
    });
}

sub holds ($$) {
    my ($true, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::ok($true, "$block_name - $what");
}

sub equals ($$$) {
    my ($got, $want, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::is($got, $want, "$block_name - $what");
}

sub ask {
    my ($path, $cookie, $port) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', Timeout => $patience,
                                       PeerPort => $port // Test::Nginx::Util::server_port()) or return;
    $socket->autoflush(1);
    print $socket "GET $path HTTP/1.0\r\nHost: localhost\r\n" . (defined $cookie ? "Cookie: $cookie\r\n" : '') . "\r\n";
    return $socket;
}

sub read_until {
    my ($socket, $end) = @_;
    my $text = '';
    while ($text !~ $end && IO::Select->new($socket)->can_read($patience)) {
        sysread($socket, $text, 65536, length $text) or last;
    }
    return $text;
}

sub response {
    my ($socket) = @_;
    return $socket ? read_until($socket, qr/(?!)/) : '';
}

sub visit { return response(ask(@_)) }

sub head { my ($name, $response) = @_; return $response =~ /^\Q$name\E: (.*?)\r$/mi ? $1 : '' }
sub body { my ($response) = @_; return $response =~ /\r\n\r\n(.*)/s ? $1 : '' }
sub status { my ($response) = @_; return $response =~ m{^HTTP/\S+ (\d+)} ? $1 : 'none' }
sub bound { my ($response) = @_; return head('Set-Cookie', $response) =~ /^[^=]+=([^;]*)/ ? $1 : '' }

sub serve {
    my ($port, $address) = @_;
    return IO::Socket::INET->new(LocalAddr => $address // '127.0.0.1', LocalPort => $port, Listen => 16, ReuseAddr => 1)
        || Test::Nginx::Util::bail_out("cannot listen on port $port: $!");
}

sub taken {
    my ($server, $seconds) = @_;
    IO::Select->new($server)->can_read($seconds // $patience) or return;
    my $connection = $server->accept or return;
    $connection->autoflush(1);
    read_until($connection, qr/\r\n\r\n/);
    return $connection;
}

sub answer {
    my ($connection, $text) = @_;
    print $connection "HTTP/1.0 200 OK\r\nContent-Length: " . length($text) . "\r\n\r\n$text";
    close $connection;
}

sub soon {
    my ($sub) = @_;
    my $end = time + 2 * $patience;
    while (1) {
        my $result = $sub->();
        return $result if $result || time > $end;
        sleep 0.05;
    }
}

# 20 at least, and as many more as it takes.
sub everywhere {
    my ($path, $cookie) = @_;
    my (@visits, %workers);
    for (1 .. 200) {
        push @visits, visit("$path?key=$_", $cookie, 1983);
        $workers{head('X-Worker', $visits[-1])} = 1;
        last if @visits >= 20 && keys %workers == $workers;
    }
    holds(keys %workers == $workers, "visits of $path are with every worker");
    return @visits;
}

# What these visits have in common: the values, each once.
sub each_once {
    my %seen = map { $_ => 1 } @_;
    return join ' | ', sort keys %seen;
}

sub bodies { return each_once(map { status($_) eq "200" ? body($_) =~ s/\n//r : status($_) } @_) }
sub tried { return each_once(map { head('X-Tried', $_) } @_) }
sub cookies { return each_once(map { bound($_) } @_) }

# The workers of a master, which are its children.
sub workers_of {
    my ($master) = @_;
    open my $children, '<', "/proc/$master/task/$master/children" or return '';
    return readline($children) // '';
}

# A worker that serves the requests it has, but takes no new ones. (Its title does not show under valgrind.)
sub is_shutting_down {
    my ($worker) = @_;
    open my $title, '<', "/proc/$worker/cmdline" or return 1;
    return (readline($title) // '') =~ /shutting down/ || $ENV{TEST_NGINX_USE_VALGRIND};
}

sub reload {
    open my $file, '<', $Test::Nginx::Util::PidFile or return 0;
    chomp(my $master = readline $file);
    my %before = map { $_ => 1 } split ' ', workers_of($master);
    kill HUP => $master or return 0;
    my $done = soon(sub {
        my @new = grep { !$before{$_} } split ' ', workers_of($master);
        return @new >= $workers && !grep { !is_shutting_down($_) } keys %before;
    });
    sleep 2 if $ENV{TEST_NGINX_USE_VALGRIND};
    return $done;
}

1;
