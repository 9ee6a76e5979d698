# What the later .t files share: servers A to D, their ids, and conversations that Test::Nginx's sections cannot say.
#
#   use Conversation;
#   add_block_preprocessor(sub { my $block = shift; fill($block, servers() . UPSTREAMS); });
#   tell_clients();
#
# Servers A, B, C and D are nginx's own, on 127.0.0.1:1985 to 1988; each answers
# "NAME URI cookie=[the Cookie that it was sent]". 127.0.0.1:1999 refuses connections.
# ID_A in a section stands for the id of server A.
#
# A section "client" is a sub that talks to nginx itself, and may play servers:
#   ask(PATH, COOKIE)       sends a request and returns its connection
#   say_to_nginx(TEXT)      sends this, as it is
#   response(ASKED)         all that comes until nginx closes
#   answer_of(CONNECTION)   one response, by its Content-Length or its chunks, with the connection left open
#   serve(PORT)             listens as a server
#   taken(SERVER, SECONDS)  the connection of the request that nginx sent it next, undef if none comes; of several
#                           [SERVERS] the one that is asked first
#   taken_unless_answered(SERVER, ASKED)    the same, undef if nginx itself answers
#   request_of(TAKEN)       that request, '' if there is none
#   answer(TAKEN, TEXT)     lets that server answer
#   head(NAME, RESPONSE), heads(...), body(RESPONSE), status(RESPONSE)
#   cookies(RESPONSE)       the values of its Set-Cookie fields, with a | between them
#   equals(GOT, WANTED, WHAT), holds(TRUE, WHAT), eventually(SUB, WHAT)

package Conversation;

use strict;
use warnings;

use Digest::MD5 'md5_hex';
use Exporter 'import';
use IO::Select;
use IO::Socket::INET;
use Test::More ();
use Test::Nginx::Socket ();
use Time::HiRes ('sleep', 'time');

our @EXPORT = qw(%port id fill servers tell_clients connected ask say_to_nginx read_until response answer_of serve taken
    taken_unless_answered
    request_of answer head heads body status cookies equals holds eventually patience);

our %port = (A => 1985, B => 1986, C => 1987, D => 1988);
our $name = '';

# Who talks to nginx may find it gone.
$SIG{PIPE} = 'IGNORE';

# How long to wait for what is to come; nothing waits so long when all is well.
sub patience { return $ENV{TEST_NGINX_USE_VALGRIND} ? 30 : 10 }

sub id { my ($server) = @_; return md5_hex("127.0.0.1:$port{$server}") }

# servers(TEXT): the servers, with this text in each, where NAME is the server's.
sub servers {
    my ($more) = @_;
    return join '', map {
        my $own = ($more // '') =~ s/\bNAME\b/$_/gr;
        <<"_EOC_";
server {
    listen 127.0.0.1:$port{$_};
    location / { return 200 "$_ \$request_uri cookie=[\$http_cookie]\\n"; }
    $own
}
_EOC_
    } sort keys %port;
}

sub expand {
    my ($text) = @_;
    return [map { expand($_) } @$text] if ref $text eq 'ARRAY';
    return $text if ref $text || !defined $text;
    return $text =~ s/\bID_([A-D])\b/id($1)/ger;
}

# fill(BLOCK, HTTP): writes the ids into its sections, and what every block has.
sub fill {
    my ($block, $http) = @_;
    for my $section (qw(more_headers request response_headers response_body raw_response_headers_like
                        raw_response_headers_unlike)) {
        my $text = expand($block->$section // next);
        chomp $text if $section =~ /like$/;
        $block->set_value($section, $text);
    }
    $block->set_value('http_config', $http . expand($block->http_config // ''));
    $block->set_value('config', ($block->config // '') . "\nlocation = /idle { return 200 'idle'; }\n");
    $block->set_value('request', 'GET /idle') if !defined $block->request;
    $block->set_value('no_error_log', "[alert]\n[crit]\n[emerg]\n") if !defined $block->no_error_log;
}

# The section "client" is called when nginx has answered the block's request.
sub tell_clients {
    Test::Nginx::Socket::add_response_body_check(sub {
        my ($block, $body, $index, $repeated, $dry_run) = @_;
        return if $dry_run || !$block->client;
        $name = $block->name;
        # What Perl could not compile is its message.
        ref $block->client or Test::More::BAIL_OUT("$name: " . $block->client);
        $block->client->();
    });
}

sub connected {
    my ($to) = @_;
    my $socket = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $to, Timeout => patience())
        or Test::More::BAIL_OUT("cannot connect to port $to: $!");
    $socket->autoflush(1);
    return $socket;
}

sub say_to_nginx {
    my ($text) = @_;
    my $socket = connected(Test::Nginx::Util::server_port());
    print $socket $text;
    return $socket;
}

sub ask {
    my ($path, $cookie) = @_;
    $cookie = defined $cookie ? 'Cookie: ' . expand($cookie) . "\r\n" : '';
    return say_to_nginx("GET $path HTTP/1.0\r\nHost: localhost\r\n$cookie\r\n");
}

# Reads until the text matches, or nothing more comes; what was read too much is lost, so the pattern has to
# match all that the other side says.
sub read_until {
    my ($socket, $end) = @_;
    my $text = '';
    while ($text !~ $end && IO::Select->new($socket)->can_read(patience())) {
        sysread($socket, $text, 65536, length $text) or last;
    }
    return $text;
}

sub response { return read_until($_[0], qr/(?!)/) }

# What came behind an answer waits here for the next.
my %ahead;

sub answer_of {
    my ($socket) = @_;
    my $text = delete $ahead{$socket} // '';
    my $until = time + patience();
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

sub serve {
    my ($at) = @_;
    return IO::Socket::INET->new(LocalAddr => '127.0.0.1', LocalPort => $at, Listen => 16, ReuseAddr => 1)
        || Test::More::BAIL_OUT("cannot listen on 127.0.0.1:$at: $!");
}

my %request;

sub taken {
    my ($server, $seconds) = @_;
    my ($asked) = IO::Select->new(ref $server eq 'ARRAY' ? @$server : $server)->can_read($seconds // patience());
    return $asked && accepted($asked);
}

sub taken_unless_answered {
    my ($server, $asked) = @_;
    my @ready = IO::Select->new($server, $asked)->can_read(patience());
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

sub heads {
    my ($field, $response) = @_;
    my ($header) = $response =~ /\A(.*?\r\n)\r\n/s;
    return ($header // '') =~ /^\Q$field\E: (.*?)\r$/mgi;
}

sub head { return (heads(@_))[0] // '' }
sub body { my ($response) = @_; return $response =~ /\r\n\r\n(.*)/s ? $1 : '' }
sub status { my ($response) = @_; return $response =~ m{^HTTP/\S+ (\d+)} ? $1 : 'none' }
sub cookies { return join '|', heads('Set-Cookie', $_[0]) }

# As every test says it, with the block's name in front.
sub holds ($$) { my ($true, $what) = @_; return Test::More::ok($true, "$name - $what") }
sub equals ($$$) { my ($got, $want, $what) = @_; return Test::More::is($got, expand($want), "$name - $what") }

# Comes true within our patience.
sub eventually ($$) {
    my ($true, $what) = @_;
    my $until = time + patience();
    my $came = $true->();
    while (!$came && time < $until) {
        sleep 0.05;
        $came = $true->();
    }
    return holds($came, $what);
}

1;
