# drain_if=: which responses count as those of a server, even if they do not reach the client, and which do not.
#
# A, B and C respond with their name, and with "X-Drain: 1" if the path has their letter after a hyphen. D is down. A block has
# one worker, and session_sticky_status reports the servers that ask to drain.

# Requests to drain survive a reload, so each block needs a new nginx, even in mode hup.
BEGIN { delete $ENV{TEST_NGINX_USE_HUP} }

use Sticky qw(Caches Nginx Resolver Upstreams Running Control);

our $dns = Resolver->new(1990);

may_warn(qr/ is also that of upstream /);
client_sections();
my $http2 = listens_http2('127.0.0.1:1989');
my $servers = servers(<<'_EOC_', qw(A B C)) . "server { $http2 location / { add_header X-Drain 1; return 200 G; } }\n";
location ~ "-[A-C]*NAME.*/accel" { add_header X-Drain 1; add_header X-Accel-Redirect /inside; return 200; }
location ~ "/accel-to-o" { add_header X-Accel-Redirect /o/-C; return 200; }
location ~ "-[A-C]*NAME.*/503" { add_header X-Drain 1 always; return 503 "NAME"; }
location ~ "-[A-C]*NAME.*/cached" { add_header X-Drain 1; add_header Cache-Control max-age=60; return 200 "NAME"; }
location ~ "-[A-C]*NAME.*/word=(?<word>.*)" { add_header X-Drain $word; return 200 "NAME"; }
location ~ "-[A-C]*NAME" { add_header X-Drain 1; add_header Set-Cookie app=x; return 200 "NAME"; }
location / { add_header Set-Cookie app=x; return 200 "NAME"; }
_EOC_

add_block_preprocessor(sub {
    my ($block) = @_;
    my $upstreams = addressed($block->upstreams // 'upstream u { server A:; server B:; DRAIN; }')
        =~ s/\bDRAIN\b/session_sticky drain_if=\$upstream_http_x_drain/gr;
    my ($locations, $cache) = own_cache($block->locations // '');
    my $http = defined $block->servers ? $block->servers : $servers;
    $block->set_value(http_config => $cache . ($block->http // '') . $http
        . entrance($upstreams, $locations . 'location = /inside { return 200 inside; }' . $control, $block->each));
    $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n") if !defined $block->no_error_log;
});

sub shown_of {
    my ($name) = @_;
    my $response = response(say_to_nginx("GET /status/upstreams/$name HTTP/1.0\r\nHost: localhost\r\n\r\n", 1983));
    return @{JSON::PP::decode_json(body($response))->{upstreams}[0]{servers}};
}

# The servers of an upstream that ask to drain.
sub asking {
    my ($name) = @_;
    my %letter = reverse %line;
    return CORE::join ' ', map { $letter{$_->{address}} // $_->{address} } grep { defined $_->{asked_until} } shown_of($name);
}

# Waits until upstream u has those of 127.0.0.2 and 127.0.0.3 with these numbers.
sub settled {
    my ($numbers) = @_;
    return eventually(sub { CORE::join('', sort map { $_->{address} =~ /^127\.0\.0\.(\d)/ } shown_of('u')) eq $numbers }, "the servers are $numbers");
}

sub ask_of_a { my ($path, $more) = @_; return visit($path, "route=$id{A}" . ($more // ''), 1983) }

master_on();
run_tests();

__DATA__

=== each mode, with other parameters
--- upstreams
upstream insert   { server A:; server B:; DRAIN; }
upstream hiding   { server A:; server B:; DRAIN option=indirect maxidle=1h refresh=6m; }
upstream preserve { server A:; server B:; DRAIN preserve; }
upstream nobody   { server A:; server B:; DRAIN if=$arg_on; }
upstream post     { server A:; server B:; DRAIN postonly; }
upstream rewrite  { server A:; server B:; DRAIN mode=rewrite cookie=app; }
upstream prefix   { server A:; server B:; DRAIN mode=prefix cookie=app; }
upstream route    { server A:; server B:; DRAIN mode=route lookup=$arg_to; }
upstream learn    { server A:; server B:; DRAIN mode=learn lookup=$arg_sid create=$arg_sid zone=learn:1m; }
upstream header   { server A:; server B:; DRAIN mode=learn lookup=$arg_sid create=$arg_sid zone=header:1m header; }
--- client
for my $name (qw(insert hiding preserve nobody post rewrite prefix route learn header)) {
    my @visits = map { body(visit("/$name/-A", '', 1983)) } 1 .. 6;
    equals(scalar(grep { $_ eq 'A' } @visits), 1, "$name: A gets one new session, and asks to drain");
    equals(asking($name), 'A', "$name: which is reported");
}
holds(set(visit('/hiding/-A', '', 1983)) =~ /\broute=$id{B}\|/, 'cookies are set as before');
equals(set(visit('/prefix/-A', '', 1983)), 'app=ID_B~x', 'or changed');
equals(body(visit("/route/?to=$id{A}", '', 1983)), 'A', 'a response without the field, by a route');
equals(asking('route'), '', 'A no longer asks');



=== an internal redirect: both responses count for their own servers
--- upstreams
upstream u { server A:; server B:; DRAIN; }
upstream v { server A:; server B:; DRAIN; }
upstream w { server C:; server D:; DRAIN cookie=w; }
upstream o { server C:; server D:; DRAIN if=$arg_on; }
--- each
proxy_intercept_errors on;
error_page 503 /inside;
--- locations
location /to-w/ { proxy_pass http://v/; proxy_intercept_errors on; error_page 503 = @w; }
location @w { proxy_pass http://w; }
--- client
equals(body(ask_of_a('/u/-A/accel')), 'inside', 'X-Accel-Redirect');
equals(asking('u'), 'A', 'A asks to drain');
ask_of_a('/u/');
equals(asking('u'), '', 'and no longer asks');
equals(body(ask_of_a('/u/accel-to-o')), 'C', 'X-Accel-Redirect to an upstream with persistence off');
equals(asking('u') . '|' . asking('o'), '|C', 'C asks to drain');
equals(status(ask_of_a('/u/-A/503')), '503', 'an error that is intercepted');
equals(asking('u'), 'A', 'A asks to drain');
equals(body(ask_of_a('/to-w/-A/503')), 'C', 'an error after which another upstream is used');
equals(asking('v') . '|' . asking('w'), 'A|', 'A asks, and C does not');
equals(body(ask_of_a('/to-w/-C')), 'A', 'a response of v');
equals(asking('v'), '', 'A no longer asks');



=== a response after which another server is tried
--- upstreams
upstream u { server A: max_fails=0; server B:; DRAIN; }
upstream m { server A: max_fails=0; server B:; session_sticky drain_if=$draining; }
--- http
map $upstream_http_x_drain $draining { volatile; default 0; 1 yes; }
--- each
proxy_next_upstream error http_503;
--- client
for my $name (qw(u m)) {
    equals(body(ask_of_a("/$name/-A/503")), 'B', "$name: B responds");
    equals(asking($name), 'A', "$name: A has asked");
}



=== a partial or invalid header has no effect, with another try or with a closed client connection
--- upstreams
upstream u { server 127.0.0.1:1991 max_fails=0; server A:; DRAIN; }
--- client
my $server = serve(1991);
my $cookie = 'route=' . Digest::MD5::md5_hex('127.0.0.1:1991');
my $begin = sub { my $client = ask('/u/', $cookie, 1983); return ($client, taken($server)) };
my ($client, $taken) = $begin->();
answer($taken, '', "X-Drain: 1\r\n");
equals(status(response($client)), '200', 'a response');
equals(asking('u'), '127.0.0.1:1991', 'it asks to drain');
for my $part ("Content-Len", "X-Drain: 0\r\nX-Other: \0\r\n\r\n") {
    ($client, $taken) = $begin->();
    print $taken "HTTP/1.0 200 OK\r\n$part";
    close $taken;
    response($client);
    equals(asking('u'), '127.0.0.1:1991', 'it still asks');
}
($client, $taken) = $begin->();
print $taken "HTTP/1.0 200 OK\r\nContent-Len";
# nginx has read it by the time it handles the next request.
visit('/u/', '', 1983);
close $client;
equals(read_until($taken, qr/never/), '', 'nginx closes the connection after the client has closed its own');
equals(asking('u'), '127.0.0.1:1991', 'it still asks');



=== a response of nginx itself does not count
--- upstreams
upstream u { server A:; server D: max_fails=0; session_sticky drain_if=yes$arg_x; }
upstream dead { server D: max_fails=0; server E: max_fails=0; session_sticky drain_if=yes$arg_x; }
--- client
equals(status(visit('/dead/', '', 1983)), '502', '502');
equals(asking('dead'), '', 'no server asks to drain');
visit('/u/', '', 1983) for 1 .. 4;
equals(asking('u'), 'A', 'A asks to drain, D does not');



=== a response from a cache does not count
--- locations
location /cached/ { proxy_pass http://u/; proxy_cache cached; proxy_cache_key $uri; add_header X-Cache $upstream_cache_status; }
--- client
equals(head('X-Cache', ask_of_a('/cached/-A/cached')), 'MISS', 'not in the cache');
equals(asking('u'), 'A', 'A asks to drain');
ask_of_a('/u/');
equals(asking('u'), '', 'and no longer asks');
equals(head('X-Cache', ask_of_a('/cached/-A/cached')), 'HIT', 'in the cache');
equals(asking('u'), '', 'which has no effect');



=== HEAD, and subrequests
--- locations
location /auth/ { auth_request /sub; empty_gif; }
location /sub { internal; proxy_pass http://u/-A; }
location /ssi/ { ssi on; ssi_types *; return 200 '<!--# include virtual="/sub" set="x" --><!--# echo var="x" -->'; }
location = /page { ssi on; ssi_types *; add_header X none; return 200 '<!--# include virtual="/sub" -->'; }
--- client
equals(status(response(say_to_nginx("HEAD /u/-A HTTP/1.0\r\nHost: localhost\r\nCookie: route=$id{A}\r\n\r\n", 1983))), '200', 'HEAD');
equals(asking('u'), 'A', 'A asks to drain');
for my $path (qw(/auth/ /ssi/ /page)) {
    ask_of_a('/u/');
    equals(asking('u'), '', 'no server asks to drain');
    ask_of_a($path);
    equals(asking('u'), 'A', $path);
}



=== a WebSocket, while it is open; gRPC
--- upstreams
upstream u { server A:; server 127.0.0.1:1991; DRAIN; }
upstream g { server 127.0.0.1:1989; server A:; DRAIN; }
--- locations
location = /ws { proxy_pass http://u; proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; }
location = /grpc { grpc_pass grpc://g; }
--- client
my $server = serve(1991);
my ($client, $taken);
for (1 .. 2) {
    $client = say_to_nginx("GET /ws HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n", 1983);
    $taken = taken($server, 1) and last;
}
request_of($taken);
print $taken "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Drain: yes\r\n\r\n";
holds(read_until($client, qr/\r\n\r\n/) =~ / 101 /, 'a WebSocket is open');
equals(asking('u'), '127.0.0.1:1991', 'its server asks to drain');
equals(body(visit('/u/', '', 1983)), 'A', 'new sessions go to the other server') for 1 .. 3;
close $taken;
equals(body(visit('/grpc', "route=" . Digest::MD5::md5_hex('127.0.0.1:1989'), 1983)), 'G', 'gRPC');
equals(asking('g'), '127.0.0.1:1989', 'its server asks to drain');



=== any value of the field, and several fields
--- upstreams
upstream u { server 127.0.0.1:1991; server A:; DRAIN; }
--- client
my $server = serve(1991);
my $id = Digest::MD5::md5_hex('127.0.0.1:1991');
for my $case (['1', 1], ['0', 0], ['yes', 1], ['', 0], ['00', 1], [' 0 ', 0], ["\xff\x01%n\x1b[2J", 1], ['0', 0], ['x' x 3000, 1],
              ["0\r\nX-Drain: 0", 1], ["\r\nX-Drain: ", 1], ['0', 0], ['false', 1]) {
    my ($value, $asks) = @$case;
    my $client = ask('/u/', "route=$id", 1983);
    my $taken = taken($server);
    request_of($taken);
    print $taken "HTTP/1.0 200 OK\r\nX-Drain: $value\r\nContent-Length: 0\r\n\r\n";
    close $taken;
    my $status = status(response($client));
    my $shown = asking('u');
    my $text = substr $value =~ s/([^ -~])/sprintf '\\x%02x', ord $1/ger, 0, 40;
    # How nginx joins several fields depends on its version.
    next if $value =~ /\n/;
    $asks = $shown ne '' if $status eq '502';
    equals($shown ne '' ? 1 : 0, $asks ? 1 : 0, "[$text]");
}
--- no_error_log
[alert]
[crit]
[emerg]



=== more servers ask to drain than the table has room for: it is logged once, and operators can use all of it
--- upstreams eval
CORE::join '', 'upstream u { zone u 4m; DRAIN; ', (map { my $net = $_; map { "server 127.1.$net.$_:1985; " } 1 .. 250 } 0 .. 4), '}'
--- servers
server { listen 1985; location / { add_header X-Drain 1; return 200 "$server_addr"; } }
--- client
visit('/u/', '', 1983) for 1 .. 1250;
my @asking = split / /, asking('u');
equals(scalar(@asking), 1024, 'so many have asked to drain');
equals(scalar(log_lines(qr/\[warn\].*asks to drain, but there is no room for its state/)), 1, 'it is logged once');
my %asks = map { $_ => 1 } @asking;
my $addresses = CORE::join ' ', map { body(visit('/u/', '', 1983)) } 1 .. 20;
equals(scalar(grep { $asks{"$_:1985"} } split / /, $addresses), 0, 'new sessions go to others');
my ($other) = grep { !$asks{$_} } map { my $net = $_; map { "127.1.$net.$_:1985" } 1 .. 250 } 0 .. 4;
now('u', $other, 'drain');
equals(scalar(split / /, asking('u')), 1023, 'a state set by control replaces a request');
equals(shown('u', $other)->{state}, 'draining', 'and applies');
now('u', $other, 'up');
--- no_error_log
[alert]
[crit]



=== changing addresses: a request to drain applies again when its address is added again, but not if no other is left
--- upstreams
upstream u { zone resolved 128k; server app.test:1985 resolve; DRAIN; }
--- http
resolver 127.0.0.1:1990 valid=1s ipv6=off;
--- servers
server { listen 1985; location / { if ($server_addr = 127.0.0.2) { add_header X-Drain 1; } return 200 "$server_addr"; } }
--- client
$dns->knows('app.test A 127.0.0.2 127.0.0.3');
settled('23');
visit('/u/', '', 1983) for 1 .. 2;
equals(asking('u'), '127.0.0.2:1985', 'one address asks to drain');
equals(body(visit('/u/', '', 1983)), '127.0.0.3', 'new sessions go to the other one') for 1 .. 3;
$dns->knows('app.test A 127.0.0.2');
settled('2');
equals(body(visit('/u/', '', 1983)), '127.0.0.2', 'it is the only address, and gets new sessions');
$dns->knows('app.test A 127.0.0.3');
settled('3');
$dns->knows('app.test A 127.0.0.2 127.0.0.3');
settled('23');
equals(body(visit('/u/', '', 1983)), '127.0.0.3', 'it is added again, and still asks to drain') for 1 .. 3;
--- skip_nginx: 5: < 1.27.3
