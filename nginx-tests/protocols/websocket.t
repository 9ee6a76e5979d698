# WebSocket: the session is read and set in the handshake, and lasts as long as the connection.
#
#   handshake     mode=insert, with timestamps, option=indirect, mode=prefix, mode=rewrite; responses other than 101; after
#                 auth_request; with a variable; with a frame immediately after it
#   connection    frames both ways, short and long, ping and close; it is counted at its server while it lasts, and no
#                 longer once it is ended by the client, the server, or a timeout
#   reconnection  to the same server; to another if that is gone (fallback, proxy_next_upstream), or not (fallback=off)
#   reload        continues in the old worker, while new connections reach the same server through the new worker
#
# The servers, on 127.0.0.1:1991 and 1992, are played by the test.

use Sticky;
use Digest::SHA 'sha1_base64';
use IO::Select;
use Time::HiRes 'sleep';

master_on();

our $http = servers() . <<'_EOC_';
    upstream u       { server 127.0.0.1:1991 max_fails=0; server 127.0.0.1:1992 max_fails=0; session_sticky hash=plain; }
    upstream other   { server 127.0.0.1:1987; server 127.0.0.1:1988; session_sticky cookie=other; }
    upstream aging   { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky hash=plain maxidle=1h; }
    upstream hiding  { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky hash=plain option=indirect; }
    upstream cutting { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky hash=plain cookie=app mode=prefix; }
    upstream changing { server 127.0.0.1:1991; server 127.0.0.1:1992; session_sticky hash=plain cookie=app mode=rewrite; }
    upstream strict  { server 127.0.0.1:1991 max_fails=0; server 127.0.0.1:1992 max_fails=0; session_sticky hash=plain fallback=off; }
    upstream one     { server 127.0.0.1:1991 max_conns=1 max_fails=0; server 127.0.0.1:1992; session_sticky hash=plain fallback=off; }
_EOC_

client_sections();
add_block_preprocessor(sub {
    my $block = shift;
    $block->set_value('config', <<'_EOC_' . ($block->config // ''));
    proxy_http_version 1.1;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection upgrade;
    add_header X-Worker $pid always;
_EOC_
    fill($block, $http);
});

our $key = 'dGhlIHNhbXBsZSBub25jZQ==';

# Sends a client's handshake, followed immediately by more data, if any.
sub knock {
    my ($path, $cookie, $behind) = @_;
    $cookie = defined $cookie ? "Cookie: $cookie\r\n" : '';
    return say_to_nginx("GET $path HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                        . "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: $key\r\n$cookie\r\n" . ($behind // ''));
}

# Sends the server's handshake.
sub let_in {
    my ($connection, $more, $behind) = @_;
    my $asked = head('Sec-WebSocket-Key', request_of($connection));
    my $accept = sha1_base64($asked . '258EAFA5-E914-47DA-95CA-C5AB0DC85B11') . '=';
    print $connection "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        . "Sec-WebSocket-Accept: $accept\r\n" . ($more // '') . "\r\n" . ($behind // '');
}

sub header { return read_until($_[0], qr/\r\n\r\n/) }

# RFC 6455, 5.2: one unfragmented frame; clients send masked ones.
sub frame {
    my ($text, $masked, $code) = @_;
    my $length = length $text;
    my $bit = $masked ? 0x80 : 0;
    my $head = pack('C', 0x80 | ($code // 1))
        . ($length < 126 ? pack('C', $bit | $length) : $length < 65536 ? pack('Cn', $bit | 126, $length) : pack('CQ>', $bit | 127, $length));
    return $head . $text if !$masked;
    my $mask = "\x12\x34\x56\x78";
    return $head . $mask . ($text ^ substr $mask x ($length / 4 + 1), 0, $length);
}

sub bytes {
    my ($socket, $count) = @_;
    my $got = '';
    while (length $got < $count && IO::Select->new($socket)->can_read(patience())) {
        sysread($socket, $got, $count - length $got, length $got) or last;
    }
    return $got;
}

# The text of the next frame; undef at the end.
sub heard {
    my ($socket) = @_;
    my (undef, $length) = unpack 'CC', bytes($socket, 2);
    return if !defined $length;
    my $masked = $length & 0x80;
    $length &= 0x7f;
    $length = unpack 'n', bytes($socket, 2) if $length == 126;
    $length = unpack 'Q>', bytes($socket, 8) if $length == 127;
    my $mask = $masked ? bytes($socket, 4) : "\0" x 4;
    return bytes($socket, $length) ^ substr $mask x ($length / 4 + 1), 0, $length;
}

# Checks that both sides get each other's frames.
sub converse {
    my ($client, $server, $what) = @_;
    my $heard = '';
    for my $text ('hello', 'x' x 300, 'y' x 70000, '') {
        print $client frame($text, 1);
        $heard .= (heard($server) // 'nothing') eq $text ? 'S' : '-';
        print $server frame($text);
        $heard .= (heard($client) // 'nothing') eq $text ? 'C' : '-';
    }
    print $client frame('', 1, 9);
    $heard .= defined heard($server) ? 'S' : '-';
    print $server frame('', 0, 10);
    $heard .= defined heard($client) ? 'C' : '-';
    return equals($heard, 'SCSCSCSCSC', "$what: frames go both ways");
}

# Closes both sides.
sub part {
    my ($client, $server) = @_;
    print $client frame("\x03\xe8", 1, 8);
    heard($server);
    print $server frame("\x03\xe8", 0, 8);
    heard($client);
    close $_ for $server, $client;
}

run_tests();

__DATA__

=== a first visit: the cookie is in the 101 response, and the next connection reaches the same server
--- config
location / { proxy_pass http://u; }
--- client
my @servers = map { serve($_) } 1991, 1992;
for my $at (0, 1) {
    my $client = knock('/t');
    my $held = taken($servers[$at]);
    let_in($held);
    my $got = header($client);
    my $mine = 'route=127.0.0.1:' . (1991 + $at);
    equals(status($got) . ' ' . set($got), "101 $mine; Path=/", 'the handshake sets the cookie');
    holds($got =~ /^Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK\+xOo=\r$/m, "the server's header fields are passed on");
    converse($client, $held, $mine);

    my $again = knock('/t', $mine);
    my $second = taken($servers[$at]);
    holds($second, 'the next connection reaches the same server');
    let_in($second);
    $got = header($again);
    equals(status($got) . ' ' . set($got), '101 ', 'and sets nothing');
    converse($again, $second, 'again');
    converse($client, $held, 'the first connection still works');
    part($again, $second);
    part($client, $held);
}



=== with timestamps: they are renewed in the 101 response
--- config
location / { proxy_pass http://aging; }
--- client
my @servers = map { serve($_) } 1991, 1992;
my $client = knock('/t', 'route=127.0.0.1:1992|' . (time - 60) . '|' . (time - 60));
my $held = taken($servers[1]);
let_in($held);
holds(header($client) =~ /^Set-Cookie: route=127\.0\.0\.1:1992\|(\d+)\|(\d+); Path=\/\r$/m && $1 >= time - 50 && $2 < time - 50,
            'the time of the last request is renewed, that of the first is kept');
converse($client, $held, 'renewed');
part($client, $held);



=== option=indirect: the server does not see the cookie, and its own cookie of that name is replaced
--- config
location / { proxy_pass http://hiding; }
--- client
my @servers = map { serve($_) } 1991, 1992;
my $client = knock('/t', 'a=b; route=127.0.0.1:1992');
my $held = taken($servers[1]);
equals(head('Cookie', request_of($held)), 'a=b', 'hidden');
let_in($held);
equals(set(header($client)), '', 'nothing is set');
converse($client, $held, 'hidden');
part($client, $held);

$client = knock('/t', 'route=nobody');
$held = taken($servers[0]);
equals(scalar(() = request_of($held) =~ /^Cookie/mi), 0, 'no Cookie field is left');
let_in($held, "Set-Cookie: route=own\r\nSet-Cookie: xroute=1\r\n");
equals(set(header($client)), 'xroute=1|route=127.0.0.1:1991; Path=/', "replaced by the module's cookie");
converse($client, $held, 'replaced');
part($client, $held);



=== mode=prefix and mode=rewrite: the server's cookie in the 101 response gets the ID, which selects the server
--- config
location / { proxy_pass http://cutting; }
location /rewrite { proxy_pass http://changing; }
--- client
my @servers = map { serve($_) } 1991, 1992;
for (['/', 'app=127.0.0.1:1991~x', 'app=x'], ['/rewrite', 'app=127.0.0.1:1991', 'app=127.0.0.1:1991']) {
    my ($path, $set, $seen) = @$_;
    my $client = knock($path);
    my $held = taken($servers[0]);
    let_in($held, "Set-Cookie: app=x; HttpOnly\r\n");
    equals(set(header($client)), "$set; HttpOnly", "$path set");
    converse($client, $held, $path);
    part($client, $held);

    $client = knock($path, $set);
    $held = taken($servers[0]);
    equals(head('Cookie', request_of($held)), $seen, "$path the same server gets its cookie");
    let_in($held);
    equals(set(header($client)), '', "$path nothing is set");
    converse($client, $held, "$path again");
    part($client, $held);
}



=== data immediately after the handshake, from both sides
--- config
location / { proxy_pass http://u; }
--- client
my @servers = map { serve($_) } 1991, 1992;
my $client = knock('/t', 'route=127.0.0.1:1992', frame('early', 1));
my $held = taken($servers[1]);
let_in($held, '', frame('welcome'));
equals(heard($held), 'early', 'the server gets it');
my $got = read_until($client, qr/welcome/);
holds($got =~ /^HTTP\/1\.1 101 / && $got =~ /\r\n\r\n\x81\x07welcome$/ && !set($got), 'so does the client');
converse($client, $held, 'after that');
part($client, $held);



=== a response other than 101 is like any other response
--- config
location / { proxy_pass http://u; }
--- client
my @servers = map { serve($_) } 1991, 1992;
for (['426 Upgrade Required', undef, 'route=127.0.0.1:1991; Path=/'], ['200 OK', 'route=127.0.0.1:1992', ''],
     ['403 Forbidden', 'route=127.0.0.1:1992', '']) {
    my ($status, $cookie, $set) = @$_;
    my $client = knock('/t', $cookie);
    my $held = taken($servers[defined $cookie]);
    print $held "HTTP/1.1 $status\r\nContent-Length: 2\r\nConnection: close\r\n\r\nno";
    close $held;
    my $got = answer_of($client);
    equals(status($got) . body($got) . ' ' . set($got), $status =~ s/ .*//r . "no $set", $status);
}



=== after auth_request, and with a variable and the hide directive
--- config
location = /auth { internal; proxy_set_header Upgrade ""; proxy_set_header Connection ""; proxy_pass http://other; }
location / { auth_request /auth; auth_request_set $auth $upstream_addr; add_header X-Auth $auth always; proxy_pass http://u; }
location /variable { session_sticky_hide_cookie upstream=hiding; set $to hiding; proxy_pass http://$to; }
--- client
my @servers = map { serve($_) } 1991, 1992;
my $client = knock('/t', 'route=127.0.0.1:1992; other=' . id('D'));
my $held = taken($servers[1]);
let_in($held);
my $got = header($client);
equals(status($got) . ' ' . head('X-Auth', $got) . ' ' . set($got), '101 127.0.0.1:1988 ', 'both requests reach their servers');
converse($client, $held, 'after auth_request');
part($client, $held);

$client = knock('/variable', 'a=b; route=127.0.0.1:1992');
$held = taken($servers[1]);
equals(head('Cookie', request_of($held)), 'a=b', 'with a variable: hidden');
let_in($held);
equals(set(header($client)), '', 'with a variable: nothing is set');
converse($client, $held, 'with a variable');
part($client, $held);



=== a connection is counted at its server until either side ends it
--- config
location / { proxy_pass http://one; }
location /idle-for-long { proxy_pass http://one; proxy_read_timeout 300ms; }
--- client
my $server = serve(1991);
my $mine = 'route=127.0.0.1:1991';
my @ends = (['/', sub { close $_[0] }, 'the client'], ['/', sub { close $_[1] }, 'the server'],
            ['/', sub { part(@_) }, 'both'], ['/idle-for-long', sub { heard($_[0]) }, 'a time-out']);
for (@ends) {
    my ($path, $end, $who) = @$_;
    my ($client, $held);
    eventually(sub {
        $client = knock($path, $mine);
        $held = taken_unless_answered($server, $client) // return;
        let_in($held);
        return status(header($client)) eq '101';
    }, "before $who ends it: connected");
    if ($path eq '/') {
        equals(status(header(knock('/', $mine))), '502', "$who: a second connection is refused meanwhile");
        converse($client, $held, $who);
    }
    $end->($client, $held);
}
eventually(sub {
    my $client = knock('/', $mine);
    my $held = taken_unless_answered($server, $client) // return;
    let_in($held);
    my $done = status(header($client)) eq '101';
    part($client, $held);
    return $done;
}, 'finally, the server is free again');



=== a server that stops during a connection: the client reconnects to another server, or gets 502
--- config
location / { proxy_pass http://u; }
location /strict { proxy_pass http://strict; }
--- client
my $second = serve(1991);
my $mine = 'route=127.0.0.1:1992';
for my $path ('/', '/strict') {
    my $first = serve(1992);
    my $client = knock($path, $mine);
    my $held = taken($first);
    let_in($held);
    header($client);
    converse($client, $held, "$path before");
    close $_ for $held, $first;
    holds(!defined heard($client), "$path the client's connection is closed");

    $client = knock($path, $mine);
    if ($path eq '/') {
        $held = taken($second);
        let_in($held);
        my $got = header($client);
        equals(status($got) . ' ' . set($got), '101 route=127.0.0.1:1991; Path=/', 'another server accepts, and the cookie has its ID');
        converse($client, $held, 'after');
        part($client, $held);
    } else {
        my $got = header($client);
        equals(status($got) . ' ' . set($got), '502 ', 'fallback=off: refused, and nothing is set');
    }
}



=== proxy_next_upstream: a server that responds with 503 or closes before the handshake; not used after it
--- config
location / { proxy_next_upstream error timeout http_503; proxy_read_timeout 1s; proxy_pass http://strict; }
location /moves { proxy_next_upstream error timeout http_503; proxy_read_timeout 1s; proxy_pass http://u; }
--- client
my @servers = map { serve($_) } 1991, 1992;
for my $refusal ("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n", "HTTP/1.1 101 Swit") {
    for my $path ('/', '/moves') {
        my $client = knock($path, 'route=127.0.0.1:1992');
        my $held = taken($servers[1]);
        print $held $refusal;
        close $held;
        if ($path eq '/') {
            holds(header($client) =~ /^HTTP\/1\.1 50[23] (?!.*Set-Cookie)/s, 'fallback=off: no other server is asked');
            next;
        }
        my $other = taken($servers[0]);
        let_in($other);
        my $got = header($client);
        equals(status($got) . ' ' . set($got), '101 route=127.0.0.1:1991; Path=/', 'the other server accepts, and the cookie has its ID');
        converse($client, $other, 'with the other server');
        close $other;
        holds(!defined heard($client), 'when that server closes, the connection ends');
    }
}
holds(!taken($servers[1], 0), 'no server was asked twice');



=== reload: the connection continues in the old worker, new ones reach the same server through a new worker
--- config
location / { proxy_pass http://u; }
--- client
my @servers = map { serve($_) } 1991, 1992;
my $mine = 'route=127.0.0.1:1992';
my $client = knock('/t', $mine);
my $held = taken($servers[1]);
let_in($held);
my $old = head('X-Worker', header($client));
converse($client, $held, 'before');

my $pid = do { local (@ARGV, $/) = Test::Nginx::Util::server_root() . '/logs/nginx.pid'; <> };
kill 'HUP', $pid =~ /(\d+)/;
my ($again, $second, $got);
eventually(sub {
    $again = knock('/t', $mine);
    $second = taken($servers[1]) // return;
    let_in($second);
    $got = header($again);
    return head('X-Worker', $got) ne $old;
}, 'a new worker connects to the same server');
equals(status($got) . ' ' . set($got), '101 ', 'and sets nothing');
converse($again, $second, 'with the new worker');
converse($client, $held, 'with the old worker still');
holds(kill(0, $old), 'the old worker is still running');
part($client, $held);
eventually(sub { !kill 0, $old }, 'and exits afterwards');
converse($again, $second, 'with the new worker still');
part($again, $second);
