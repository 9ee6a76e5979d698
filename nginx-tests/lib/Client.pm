# An HTTP client and servers for what the sections of Test::Nginx cannot express: parallel requests, several connections,
# delayed responses.
#
# client_sections(), called before the file's own add_block_preprocessor, gives blocks these sections:
#   client    Perl statements in the file's package, under "use strict", which run while nginx runs. They test with holds
#             and equals instead of ok and is. The file's preprocessor may set a sub instead; client_of(BLOCK) returns the
#             section as a sub
#   workers   number of worker processes, 1 by default
# A block without "request" requests /idle. A block without "no_error_log" may log nothing from [crit] on.
#
#   ask(PATH, COOKIE, PORT)    sends a request and returns its connection
#   say_to_nginx(TEXT)         sends TEXT unchanged; connected(PORT) only connects
#   response(ASKED)            everything received until nginx closes the connection
#   visit(PATH, COOKIE, PORT)  ask and response
#   answer_of(CONNECTION)      one response, delimited by its Content-Length or chunks; the connection stays open
#   read_until(CONNECTION, PATTERN)
#   head(NAME, RESPONSE), heads(...), body(RESPONSE), status(RESPONSE)
#   set(RESPONSE)              its Set-Cookie fields, joined with "|"; bound(RESPONSE): the value of the first cookie
#   serve(PORT, ADDRESS)       listens as a server
#   taken(SERVER, SECONDS)     the connection of the next request that nginx sends to SERVER, undef if there is none; with
#                              [SERVERS], to the first one that receives a request
#   taken_unless_answered(SERVER, ASKED)    the same, undef if nginx itself responds
#   request_of(TAKEN)          that request, '' if there is none
#   answer(TAKEN, TEXT, MORE)  sends a response, with MORE in its header
#   is_served(SERVER, WHAT, PATH, COOKIE)   a test: a request of this session eventually reaches SERVER
#   equals(GOT, WANTED, WHAT), holds(TRUE, WHAT)  tests, whose descriptions begin with the name of the block
#   soon(SUB)                  calls SUB until it returns true, and returns that value; false on timeout
#   eventually(SUB, WHAT)      a test that SUB returns true in time
# ID_A in a cookie or in WANTED is the ID of server A (lib/Servers.pm).

package Client;

use strict;
use warnings;

use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use Servers;
use Test::More ();
use Test::Nginx::Socket ();
use Time::HiRes qw(sleep time);

our @EXPORT = qw(client_sections client_of connected say_to_nginx ask visit read_until response answer_of head heads body
    status set bound serve taken taken_unless_answered request_of answer is_served holds equals soon eventually patience);

# The timeout for expected events; it is only reached if a test fails.
our $patience = $ENV{TEST_NGINX_USE_VALGRIND} ? 30 : 10;
our $block_name = '';
our $workers = 1;

sub patience { return $patience }

# nginx may already have closed the connection.
$SIG{PIPE} = 'IGNORE';

sub client_sections {
    Test::Nginx::Socket::add_block_preprocessor(sub {
        my ($block) = @_;
        Test::Nginx::Util::workers($block->workers // 1);
        $block->set_value(config => ($block->config // '') . "\nlocation = /idle { return 200 \"idle\\n\"; }\n");
        $block->set_value(request => 'GET /idle') if !defined $block->request;
        $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n")
            if !defined $block->no_error_log && !defined $block->must_die;
    });
    Test::Nginx::Socket::add_response_body_check(sub {
        my ($block, undef, undef, undef, $dry_run) = @_;
        return if $dry_run || !defined $block->client;
        $block_name = $block->name;
        $workers = $block->workers // 1;
        eval { client_of($block)->(); 1 } or Test::More::fail("$block_name - it ends with $@");
    });
}

sub client_of {
    my ($block) = @_;
    my $text = $block->client;
    return $text if !defined $text || ref $text;
    my $where = 'client of ' . $block->name =~ tr/"//dr;
    my $declared = variables_of_main();
    my $sub = eval "package main; $declared sub {\n#line 1 \"$where\"\n$text\n}";
    my $error = $@;
    return $sub // sub { die $error };
}

# Declarations of the variables that the file declares with "our"; any other name is an error in a "client".
sub variables_of_main {
    no strict 'refs';
    my @names = grep { /^[a-z]\w+\z/ } keys %main::;
    return join ' ', (map { "our \$$_;" } grep { defined ${"main::$_"} } @names),
        (map { "our \@$_;" } grep { defined *{"main::$_"}{ARRAY} } @names),
        (map { "our \%$_;" } grep { defined *{"main::$_"}{HASH} } @names);
}

sub holds ($$) {
    my ($true, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::ok($true, "$block_name - $what");
}

sub equals ($$$) {
    my ($got, $want, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return Test::More::is($got, expand($want), "$block_name - $what");
}

sub soon {
    my ($sub) = @_;
    # A single call may take $patience.
    my $end = time + 2 * $patience;
    while (1) {
        my $result = $sub->();
        return $result if $result || time > $end;
        sleep 0.05;
    }
}

sub eventually ($$) {
    my ($sub, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return holds(soon($sub), $what);
}

sub connected {
    my ($to) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $to, Timeout => $patience)
        or die "cannot connect to port $to: $!\n";
    $socket->autoflush(1);
    return $socket;
}

sub say_to_nginx {
    my ($text, $port) = @_;
    my $socket = connected($port // Test::Nginx::Util::server_port());
    print $socket $text;
    return $socket;
}

sub ask {
    my ($path, $cookie, $port) = @_;
    $cookie = defined $cookie ? 'Cookie: ' . expand($cookie) . "\r\n" : '';
    return say_to_nginx("GET $path HTTP/1.0\r\nHost: localhost\r\n$cookie\r\n", $port);
}

# Reads until the text matches, or until the end of input. Bytes read after the match are part of the result, so the
# pattern must match all that the peer sends.
sub read_until {
    my ($socket, $end) = @_;
    my $text = '';
    while ($text !~ $end && IO::Select->new($socket)->can_read($patience)) {
        sysread($socket, $text, 65536, length $text) or last;
    }
    return $text;
}

sub response { return read_until($_[0], qr/(?!)/) }

sub visit { return response(ask(@_)) }

# By connection: bytes that were read after the end of a response, for the next one.
my %ahead;

sub answer_of {
    my ($socket) = @_;
    my $text = delete $ahead{$socket} // '';
    my $until = time + $patience;
    while (time < $until) {
        if ($text =~ /\A(.*?\r\n\r\n)/s) {
            my $length = length $1;
            my $header = $1;
            my ($size) = $header =~ /^Content-Length: (\d+)\r$/mi;
            my $end = $header =~ /^Transfer-Encoding: chunked\r$/mi
                ? (substr($text, $length) =~ /\A(?:.*?\r\n)?0\r\n\r\n/s ? $length + $+[0] : undef)
                : $length + ($size // 0);
            if (defined $end && length $text >= $end) {
                $ahead{$socket} = substr $text, $end;
                return substr $text, 0, $end;
            }
        }
        IO::Select->new($socket)->can_read(1) or next;
        sysread($socket, $text, 65536, length $text) or last;
    }
    return $text;
}

sub heads {
    my ($field, $response) = @_;
    my ($header) = $response =~ /\A(.*?\r\n)\r\n/s;
    return ($header // '') =~ /^\Q$field\E: (.*?)\r$/mgi;
}

sub head { return (heads(@_))[0] // '' }
sub body { my ($response) = @_; return $response =~ /\r\n\r\n(.*)/s ? $1 : '' }
sub status { my ($response) = @_; return $response =~ m{^HTTP/\S+ (\d+)} ? $1 : 'none' }
sub set { return join '|', heads('Set-Cookie', $_[0]) }
sub bound { my ($response) = @_; return head('Set-Cookie', $response) =~ /^[^=]+=([^;]*)/ ? $1 : '' }

sub serve {
    my ($port, $address) = @_;
    return IO::Socket::INET->new(LocalAddr => $address // '127.0.0.1', LocalPort => $port, Listen => 16, ReuseAddr => 1)
        || die "cannot listen on port $port: $!\n";
}

my %request;

sub taken {
    my ($server, $seconds) = @_;
    my ($asked) = IO::Select->new(ref $server eq 'ARRAY' ? @$server : $server)->can_read($seconds // $patience);
    return $asked && accepted($asked);
}

sub taken_unless_answered {
    my ($server, $asked) = @_;
    my @ready = IO::Select->new($server, $asked)->can_read($patience);
    return (grep { $_ == $server } @ready) ? accepted($server) : undef;
}

sub accepted {
    my ($server) = @_;
    my $connection = $server->accept or return;
    $connection->autoflush(1);
    $request{$connection} = read_until($connection, qr/\r\n\r\n/);
    return $connection;
}

sub request_of { my ($connection) = @_; return $connection ? $request{$connection} : '' }

sub answer {
    my ($connection, $text, $more) = @_;
    print $connection "HTTP/1.0 200 OK\r\n" . ($more // '') . 'Content-Length: ' . length($text) . "\r\n\r\n$text";
    close $connection;
}

# nginx may not have noticed yet that the server is free.
sub is_served {
    my ($server, $what, $path, $cookie) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    return eventually(sub {
        my $asked = ask($path, $cookie);
        my $held = taken_unless_answered($server, $asked);
        answer($held, 'done') if $held;
        my $got = answer_of($asked);
        return $held && body($got) eq 'done';
    }, $what);
}

1;
