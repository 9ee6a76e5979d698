# Clients that are slow, that disconnect, and that use HTTP/1 in every way it allows: each request reaches its own
# server, gets its own cookie, and is counted as a connection of its server for exactly as long as it lasts.
#
#   slow          a request sent a few bytes at a time, a late body with proxy_request_buffering on and off,
#                 a client that reads slowly, limit_rate, proxy_buffering off
#   client gone   in the request's header and body, before the response, in its body, with buffering on and off; with
#                 proxy_ignore_client_abort; during a subrequest, a mirror, an internal redirect or a cache fill
#   server gone   in the middle of its header and of its body
#   HTTP/1        pipelined, keepalive, 100-continue, chunked both ways, 1.0, 0.9, a body without length, HEAD,
#                 large headers, early responses, 103
#
# The server 127.0.0.1:1991 is played by the test and allows one connection: if a finished request is still counted, the
# next one fails.

use Sticky qw(Caches);
use IO::Select;
use Socket ();
use Time::HiRes 'sleep';

our $http = servers(<<'_EOC_') . <<'_EOC_';
location = /large { alias html/large.txt; }
location = /accel { add_header X-Accel-Redirect /one; return 200; }
location = /page { default_type text/html; return 200 'NAME page [<!--#include virtual="/one" -->]'; }
_EOC_
    upstream u      { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky; }
    upstream hiding { server 127.0.0.1:1985; server 127.0.0.1:1986; session_sticky option=indirect; }
    upstream one    { server 127.0.0.1:1991 max_conns=1 max_fails=0; server 127.0.0.1:1986; session_sticky cookie=one hash=plain fallback=off; }
    upstream only   { server 127.0.0.1:1991 max_fails=0; session_sticky cookie=one hash=plain; }
_EOC_

client_sections();
add_block_preprocessor(sub {
    my $block = shift;
    my ($config, $cache) = own_cache($block->config // '');
    $block->set_value('config', $config);
    fill($block, $cache . $http);
});

our $here = 'one=127.0.0.1:1991';

# The server allows one connection, so it only serves once nginx has noticed that the previous one is gone.
sub is_free { my ($server, $what) = @_; return is_served($server, "$what: its server is free again", '/one', $here) }

# Closes the connection with a reset.
sub leave {
    my ($socket) = @_;
    setsockopt($socket, Socket::SOL_SOCKET(), Socket::SO_LINGER(), pack('ii', 1, 0));
    close $socket;
}

sub request {
    my ($line, @fields) = @_;
    return expand(join("\r\n", $line, 'Host: localhost', @fields) . "\r\n\r\n");
}

# The server and the cookies of each response.
sub told { return join ', ', map { join ' ', body($_) =~ /^(?:[0-9a-f]+\r\n)?([A-D])\b/ ? $1 : status($_), set($_) || '-' } @_ }

run_tests();

__DATA__

=== a request sent a few bytes at a time
--- config
location / { proxy_pass http://hiding; }
--- client
my $asked = say_to_nginx('');
for my $piece (request('GET /t HTTP/1.0', 'Cookie: a=b; route=ID_B; c=d') =~ /(.{1,3})/sg) {
    print $asked $piece;
    Time::HiRes::sleep(0.005);
}
my $got = response($asked);
equals(body($got) . set($got), "B /t cookie=[a=b; c=d]\n", "the session's server, with the cookie hidden");



=== a late body
--- config
location / { proxy_pass http://one; }
location /through/ { proxy_request_buffering off; proxy_pass http://one/; }
--- client
my $server = serve(1991);
for my $path ('/', '/through/') {
    my $asked = say_to_nginx(request("POST $path HTTP/1.1", 'Content-Length: 8', "Cookie: $here", 'Connection: close'));
    print $asked 'half';
    my $early = taken($server, 1);
    equals($early ? 'at once' : 'not yet', $path eq '/' ? 'not yet' : 'at once', "$path when the server gets the request");
    print $asked 'more';
    my $held = $early // taken($server);
    holds(request_of($held) =~ /^POST/, "$path the session's server gets the request");
    # Closing before everything is read would be a reset, which may overtake the response.
    my $read = request_of($held);
    while ($held && $read !~ /halfmore$/ && IO::Select->new($held)->can_read(5)) {
        sysread($held, $read, 8, length $read) or last;
    }
    answer($held, 'done') if $held;
    my $got = response($asked);
    equals(body($got) . set($got), 'done', "$path the response");
}



=== a late body, first visit: the cookie has the ID of the server that answered
--- config
location / { proxy_request_buffering off; proxy_pass http://u; }
--- client
my $asked = say_to_nginx(request('POST /t HTTP/1.1', 'Content-Length: 8', 'Connection: close'));
Time::HiRes::sleep(0.3);
print $asked 'all of it';
equals(told(response($asked)), 'A route=ID_A; Path=/', 'the first server');



=== a client that reads slowly, and limit_rate: the header and its cookie come first
--- config
location / { proxy_pass http://u; }
location /unbuffered/ { proxy_buffering off; proxy_pass http://u/; }
location /limited/ { limit_rate 200k; limit_rate_after 1k; proxy_pass http://u/; }
--- user_files eval
">>> large.txt\n" . ('0123456789abcde' . "\n") x 20000
--- client
for my $path ('', '/unbuffered', '/limited') {
    my $asked = say_to_nginx(request("GET $path/large HTTP/1.0"));
    my $bound = say_to_nginx(request("GET $path/large HTTP/1.0", 'Cookie: route=ID_B'));
    sysread($asked, my $first, 400);
    holds($first =~ /^Set-Cookie: route=[0-9a-f]{32}; Path=\/\r$/m, "$path the first bytes contain the cookie");
    Time::HiRes::sleep(0.3);
    my $got = $first . response($asked);
    equals(length body($got), 320000, "$path the body is complete");
    $got = response($bound);
    equals(length(body($got)) . set($got), 320000, "$path the same for a client with a valid cookie, without Set-Cookie");
}



=== a client that disconnects in the header of its request
--- config
location / { proxy_pass http://one; }
--- client
my $server = serve(1991);
for my $leave (\&leave, sub { close $_[0] }) {
    my $asked = say_to_nginx("GET /one HTTP/1.1\r\nHost: localhost\r\nCookie: $here");
    $leave->($asked);
    is_free($server, 'no request was sent to it');
}



=== a client that disconnects in the body of its request
--- config
location / { proxy_pass http://one; }
location /through/ { proxy_request_buffering off; proxy_pass http://one/; }
--- client
my $server = serve(1991);
for my $path ('/', '/through/') {
    my $asked = say_to_nginx(request("POST $path HTTP/1.1", 'Content-Length: 8', "Cookie: $here") . 'half');
    my $held = $path eq '/' ? undef : taken($server);
    holds($path eq '/' || $held, "$path the request has reached its server");
    leave($asked);
    is_free($server, $path);
}



=== a client that disconnects before the response
--- config
location / { proxy_pass http://one; }
location /through/ { proxy_buffering off; proxy_pass http://one/; }
--- client
my $server = serve(1991);
for my $path ('/', '/through/') {
    for my $leave (\&leave, sub { close $_[0] }) {
        my $asked = ask($path, $here);
        my $held = taken($server);
        holds($held, "$path the request has reached its server");
        $leave->($asked);
        is_free($server, $path);
    }
}



=== a client that disconnects in the header of the response, and in its body
--- config
location / { proxy_pass http://one; }
location /through/ { proxy_buffering off; proxy_pass http://one/; }
--- client
my $server = serve(1991);
for my $path ('/', '/through/') {
    for my $said ("HTTP/1.1 200 OK\r\nSet-", "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n" . 'half' x 20000) {
        my $asked = ask($path, $here);
        my $held = taken($server);
        print $held $said if $held;
        holds($said !~ /half/ || read_until($asked, qr/half/) =~ /half/, "$path the response has begun");
        leave($asked);
        is_free($server, $path);
    }
}



=== proxy_ignore_client_abort: the request is counted until the server has answered
--- config
location / { proxy_ignore_client_abort on; proxy_pass http://one; }
--- client
my $server = serve(1991);
my $asked = ask('/one', $here);
my $held = taken($server);
leave($asked);
Time::HiRes::sleep(0.3);
equals(status(response(ask('/one', $here))), '502', 'the request is still counted');
answer($held, 'done');
is_free($server, 'after the response');



=== a client that disconnects during an SSI subrequest, an auth_request, an internal redirect or a mirror
--- config
location = /page { ssi on; proxy_pass http://u; }
location = /one { proxy_pass http://one; }
location = /checked { auth_request /one; proxy_pass http://u; }
location = /copied { mirror /one; proxy_pass http://u; }
location = /led { proxy_pass http://u/accel; }
--- client
my $server = serve(1991);
for my $path ('/page', '/checked', '/led', '/copied') {
    my $asked = ask($path, $here);
    my $held = taken($server);
    holds($held, "$path has reached its server");
    leave($asked);
    answer($held, 'copied') if $held && $path eq '/copied';
    is_free($server, $path);
}



=== a client that disconnects during a cache fill: the response is stored, without a cookie
--- config
location / { proxy_cache cached; add_header X-Cache $upstream_cache_status; proxy_pass http://one; }
location = /one { proxy_pass http://one; }
--- client
my $server = serve(1991);
my $asked = ask('/t', 'one=127.0.0.1:1991');
my $held = taken($server);
print $held "HTTP/1.0 200 OK\r\nContent-Length: 80004\r\nCache-Control: max-age=60\r\n\r\n" . 'half' x 20000;
holds(read_until($asked, qr/half/) =~ /half/, 'the response has begun');
leave($asked);
print $held 'more';
close $held;
eventually(sub { my $got = response(ask('/t', 'one=127.0.0.1:1986'));
                       body($got) eq 'half' x 20000 . 'more' && head('X-Cache', $got) eq 'HIT' && !set($got) },
                 'the next request gets it from the cache, without a cookie');
is_free($server, 'stored');



=== a server that closes in the middle of its header: nginx answers, nothing is set, the server is free
--- config
location / { proxy_next_upstream off; proxy_pass http://one; }
location /only { proxy_next_upstream off; proxy_pass http://only; }
--- client
my $server = serve(1991);
for (['/t', $here], ['/only']) {
    my $asked = ask(@$_);
    my $held = taken($server);
    print $held "HTTP/1.1 200 OK\r\nContent-Len";
    close $held;
    my $got = response($asked);
    equals(status($got) . set($got), '502', "$_->[0] nginx answers");
    is_free($server, $_->[0]);
}
--- may_warn
is also that of upstream "one"



=== a server that closes in the middle of its body: the session stays there
--- config
location / { proxy_pass http://one; }
location /through/ { proxy_buffering off; proxy_pass http://one/; }
--- client
my $server = serve(1991);
for my $path ('/', '/through/') {
    my $asked = ask($path, $here);
    my $held = taken($server);
    print $held "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf";
    close $held;
    my $got = response($asked);
    equals(body($got) . set($got), 'half', "$path the client gets half of the body, and nothing is set");
    is_free($server, $path);
}



=== pipelined requests with different cookies: each reaches its own server
--- config
location / { proxy_pass http://u; }
location /hidden { proxy_pass http://hiding; }
--- client
my @cookies = ('route=ID_B', 'route=ID_A', 'a=b', 'route=ID_B', 'route=nobody', 'route=ID_A');
my $asked = say_to_nginx(join '', map { request('GET /t HTTP/1.1', "Cookie: $_") } @cookies);
my @got = map { answer_of($asked) } @cookies;
equals(told(@got), 'B -, A -, A route=ID_A; Path=/, B -, B route=ID_B; Path=/, A -', 'six responses');

@cookies = ('a=1; route=ID_B', 'route=ID_A', 'x=y', 'route=ID_B; b=2');
$asked = say_to_nginx(join '', map { request('GET /hidden HTTP/1.1', "Cookie: $_") } @cookies);
@got = map { answer_of($asked) } @cookies;
equals(join('', map { body($_) } @got),
             "B /hidden cookie=[a=1]\nA /hidden cookie=[]\nA /hidden cookie=[x=y]\nB /hidden cookie=[b=2]\n", 'the cookie is hidden');
equals(join(', ', map { set($_) } @got), ', , route=ID_A; Path=/, ', 'one cookie is set');



=== a keepalive connection, with bodies, different cookies and different upstreams
--- config
location / { proxy_pass http://u; }
location /hidden { proxy_pass http://hiding; }
location /own { return 200 "own"; }
--- client
my $asked = say_to_nginx('');
my @got;
for ([GET => '/t', 'route=ID_B'], [POST => '/t', ''], [GET => '/own', 'route=ID_B'], [POST => '/hidden', 'route=ID_A'],
     [HEAD => '/t', 'route=ID_B'], [GET => '/hidden', 'route=nobody']) {
    my ($method, $path, $cookie) = @$_;
    print $asked request("$method $path HTTP/1.1", ($method eq 'POST' ? 'Content-Length: 4' : 'X-None: 1'),
                               $cookie ? "Cookie: $cookie" : 'X-No: cookie') . ($method eq 'POST' ? 'body' : '');
    push @got, $method eq 'HEAD' ? read_until($asked, qr/\r\n\r\n/) : answer_of($asked);
}
equals(told(@got), 'B -, A route=ID_A; Path=/, 200 -, A -, 200 -, A route=ID_A; Path=/', 'six responses');



=== 100-continue: no cookie in the 100 response, and one in the final response
--- config
location / { proxy_pass http://u; }
location /through/ { proxy_request_buffering off; proxy_http_version 1.1; proxy_pass http://u/; }
--- client
for my $path ('/', '/through/') {
    my @got;
    for my $cookie ('a=b', 'route=ID_B') {
        my $asked = say_to_nginx(request("POST $path HTTP/1.1", 'Expect: 100-continue', 'Content-Length: 4', "Cookie: $cookie",
                                                     'Connection: close'));
        my $first = read_until($asked, qr/\r\n\r\n/);
        print $asked 'body';
        $first .= response($asked);
        holds($first =~ s/\AHTTP\/1\.1 100 Continue\r\n\r\n//, "$path $cookie: only the 100 response precedes the final one");
        push @got, $first;
    }
    holds(told(@got) =~ /^([AB]) route=[0-9a-f]{32}; Path=\/, B -$/, "$path a first visit, and a session");
}



=== chunked bodies both ways
--- config
location / { proxy_http_version 1.1; proxy_pass http://one; }
location /through/ { proxy_http_version 1.1; proxy_request_buffering off; proxy_buffering off; proxy_pass http://one/; }
--- client
my $server = serve(1991);
for my $path ('/', '/through/') {
    my $asked = say_to_nginx(request("POST $path HTTP/1.1", 'Transfer-Encoding: chunked', "Cookie: $here", 'Connection: close')
                                   . "4\r\nbody\r\n0\r\n\r\n");
    my $held = taken($server);
    holds(request_of($held) =~ /^POST/, "$path the session's server gets the request");
    if ($held) {
        print $held "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nSet-Cookie: app=1\r\nConnection: close\r\n\r\n";
        print $held "$_\r\n" for 3, 'one', 3, 'two', 0, '';
        close $held;
    }
    my $got = response($asked);
    holds(body($got) =~ /one.*two/s, "$path the body is complete");
    equals(set($got), 'app=1', "$path only the server's own cookie is set");
    is_free($server, $path);
}



=== HTTP/1.0 and older
--- config
location / { proxy_pass http://u; }
--- client
my $got = response(say_to_nginx("GET /t HTTP/1.0\r\n\r\n"));
equals(told($got), 'A route=ID_A; Path=/', 'without a Host field');
$got = response(say_to_nginx(expand("GET /t HTTP/1.0\r\nCookie: route=ID_B\r\nConnection: keep-alive\r\n\r\n")
                                         . "GET /t HTTP/1.0\r\n\r\n"));
equals(body($got) =~ s/ .*?Set-Cookie: (.*?);.*\n(.) .*/ $1 $2/sr, "B route=ID_B B", 'keepalive');
$got = response(say_to_nginx("GET /t\r\n"));
equals($got, "A /t cookie=[]\n", 'HTTP/0.9, which has no header');



=== a response without a length, to HTTP/1.0 and 1.1 clients, from an HTTP/1.0 and an HTTP/0.9 server
--- config
location / { proxy_pass http://one; }
--- client
my $server = serve(1991);
for my $version ('1.0', '1.1') {
    for my $header ("HTTP/1.0 200 OK\r\n\r\n", '') {
        my $asked = say_to_nginx(request("GET /t HTTP/$version", "Cookie: $here", 'Connection: close'));
        my $held = taken($server);
        print $held $header . 'all there is';
        close $held;
        my $got = response($asked);
        holds($got =~ /all there is/ && $got !~ /Set-Cookie/, "$version: the response, and nothing is set");
    }
}



=== a large header with the cookie at its end: found and hidden; a header that is too large sets nothing
--- config
client_header_buffer_size 1k;
large_client_header_buffers 4 32k;
location / { proxy_pass http://hiding/length; proxy_buffer_size 32k; proxy_buffers 4 32k; proxy_busy_buffers_size 32k; }
--- http_config
server { listen 127.0.0.1:1990; large_client_header_buffers 4 32k; location / { return 200 "unused"; } }
--- client
my $many = join '; ', map { "name$_=" . 'x' x 20 } 1 .. 200;
my $got = response(say_to_nginx(request('GET /t HTTP/1.0', "Cookie: $many; route=ID_B; last=1")));
equals(body($got) =~ s/^(.) .*cookie=\[(.*)\]\n/$1 . ($2 eq "$many; last=1" ? ' all the others' : " $2")/esr, 'B all the others',
             'hundreds of cookies');
my $padding = 'p' x 3000;
$got = response(say_to_nginx(request('GET /t HTTP/1.0', (map { "X-$_: $padding" } 1 .. 5), 'Cookie: a=b; route=ID_B',
                                                       (map { "Y-$_: $padding" } 1 .. 2), 'Cookie: c=d')));
holds(body($got) =~ /^B .*cookie=\[a=b; c=d\]/, 'two Cookie fields among large ones');
$got = response(say_to_nginx(request('GET /t HTTP/1.0', 'Cookie: route=ID_B; ' . 'x' x 40000)));
equals(status($got) . set($got), '400', 'too large');



=== a response before the end of the request's body: passed on, and the connection is closed
--- config
location / { proxy_request_buffering off; proxy_http_version 1.1; proxy_pass http://one; }
--- client
my $server = serve(1991);
my $asked = say_to_nginx(request('POST /t HTTP/1.1', 'Content-Length: 1000000', "Cookie: $here"));
my $held = taken($server);
print $held "HTTP/1.1 413 Too large for me\r\nContent-Length: 2\r\nSet-Cookie: app=1\r\nConnection: close\r\n\r\nno";
my $got = answer_of($asked);
equals(status($got) . ' ' . set($got), '413 app=1', 'the response');
close $asked;
close $held;
is_free($server, 'after the early response');



=== 103 Early Hints from the server: no cookie in them, and one in the final response
--- config
location / { early_hints 1; proxy_http_version 1.1; proxy_pass http://only; }
--- client
my $server = serve(1991);
for (["Cookie: $here", ''], ['X-First: visit', 'one=127.0.0.1:1991; Path=/']) {
    my ($field, $set) = @$_;
    my $asked = say_to_nginx(request('GET /t HTTP/1.1', $field, 'Connection: close'));
    my $held = taken($server);
    print $held "HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n";
    my $hints = read_until($asked, qr/\r\n\r\n/);
    holds($hints =~ /^HTTP\/1\.1 103 .*Link: /s && $hints !~ /Set-Cookie/, 'the hints have no cookie');
    answer($held, 'done');
    my $got = response($asked);
    equals(body($got) . set($got), "done$set", 'the final response');
}
--- skip_nginx: 8: < 1.29.0
