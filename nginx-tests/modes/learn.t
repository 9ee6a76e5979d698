# mode=learn and "sticky learn": nginx remembers which server has a session that the application created.
#
# A, B and C answer with their name. On /login they create the session named in the argument id, in a cookie and in a header
# field. With the argument fail=NAME, that server answers 503; with status=404 etc., every server does. E is unreachable.
# Sections of this file's own:
#   upstream  the content of "upstream u"
#   location  directives in addition to proxy_pass

use Sticky;
use Time::HiRes 'sleep';

$port{E} = 1998;

our $servers = servers(<<'_EOC_', qw(A B C));
default_type text/plain;
location / {
    if ($arg_fail = NAME) { return 503; }
    if ($arg_status = 404) { return 404; }
    if ($arg_status = 500) { return 500; }
    return 200 "NAME";
}
location /login {
    add_header Set-Cookie "sid=$arg_id; Path=/" always;
    add_header X-Session $arg_id always;
    if ($arg_fail = NAME) { return 503; }
    if ($arg_status = 404) { return 404; }
    if ($arg_status = 500) { return 500; }
    return 200 "NAME";
}
_EOC_

# The server that answered, or the status of its response.
sub where { my ($response) = @_; return status($response) eq '200' ? body($response) : status($response) }
sub login { my ($id, $more) = @_; return where(visit("/login?id=$id" . ($more // ''))) }
sub of { my ($id, $more) = @_; return where(visit('/t?' . ($more // ''), "sid=$id")) }
# The servers of six requests of a session; with load balancing there would be more than one.
sub stays { my ($id, $more) = @_; my %servers = map { of($id, $more) => 1 } 1 .. 6; return join ' ', sort keys %servers }

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    my $upstream = defined $block->upstream ? "upstream u {\n" . $block->upstream . "}\n" : '';
    fill($block, "large_client_header_buffers 4 32k;\n$servers$upstream");
    $block->set_value(config => ($block->config // '') . <<'_EOC_' . ($block->location // '') . 'proxy_pass http://u; }');
add_header X-Upstream "$upstream_addr" always;
proxy_buffer_size 32k;
proxy_buffers 4 32k;
location / {
_EOC_
});

run_tests();

__DATA__

=== a session stays on the server that created it; an unknown one is load-balanced
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986;
server 127.0.0.1:1987;
session_sticky mode=learn create=$upstream_cookie_sid lookup=$cookie_sid zone=stays:64k;
--- client
my %server = map { $_ => login("s$_") } 1 .. 6;
equals(join('', sort values %server), 'AABBCC', 'sessions are balanced');
equals(stays("s$_"), $server{$_}, "session $_ stays") for sort keys %server;
equals(stays('nobody'), 'A B C', 'an ID that no server issued is load-balanced');
equals(stays('s1x'), 'A B C', 'the whole ID is compared');
equals(set(visit('/t', 'sid=s1')), '', 'nothing is set');
equals(set(visit('/login?id=s9')), 'sid=s9; Path=/', 'only the application sets cookies');



=== "sticky learn": the same
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986;
server 127.0.0.1:1987;
sticky learn create=$upstream_cookie_sid lookup=$cookie_sid zone=stays_as_nginx:64k;
--- client
my %server = map { $_ => login("s$_") } 1 .. 6;
equals(join('', sort values %server), 'AABBCC', 'sessions are balanced');
equals(stays("s$_"), $server{$_}, "session $_ stays") for sort keys %server;
equals(stays('nobody'), 'A B C', 'an ID that no server issued is load-balanced');



=== several variables: the first non-empty one is used, in create= and lookup=
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986;
session_sticky mode=learn create=$upstream_http_x_none create=$upstream_http_x_session create=$upstream_cookie_sid
               lookup=$arg_sid lookup=$cookie_sid zone=several:64k;
--- client
my $server = login('one');
login('two') if $server eq login('two');
equals(stays('one'), $server, 'from a cookie');
my %by_argument = map { where(visit('/t?sid=one', 'sid=two')) => 1 } 1 .. 6;
equals(join(' ', keys %by_argument), $server, 'the argument takes precedence over the cookie');
equals(join(' ', sort keys %{{map { where(visit('/t?sid=', 'sid=one')) => 1 } 1 .. 6}}), $server, 'an empty argument is ignored');



=== created from the request: a cookie, an argument
--- http_config
upstream by_cookie   { server 127.0.0.1:1985; server 127.0.0.1:1986; server 127.0.0.1:1987; session_sticky mode=learn create=$cookie_sid lookup=$cookie_sid zone=by_cookie:64k; }
upstream by_argument { server 127.0.0.1:1985; server 127.0.0.1:1986; server 127.0.0.1:1987; session_sticky mode=learn create=$arg_sid lookup=$arg_sid zone=by_argument:64k; }
--- config
location /cookie { proxy_pass http://by_cookie; }
location /argument { proxy_pass http://by_argument; }
--- upstream
server 127.0.0.1:1985;
--- client
for my $session (1 .. 9) {
    my %cookie = map { where(visit('/cookie', "sid=$session")) => 1 } 1 .. 5;
    equals(scalar(keys %cookie), 1, "cookie $session is learned with the first response");
    my %argument = map { where(visit("/argument?sid=$session")) => 1 } 1 .. 5;
    equals(scalar(keys %argument), 1, "argument $session is learned with the first response");
}



=== a session moves permanently when its server fails, and with rebind=off until its server is back
--- http_config
upstream kept { server 127.0.0.1:1985 max_fails=0; server 127.0.0.1:1986 max_fails=0; server 127.0.0.1:1987 max_fails=0;
    session_sticky mode=learn create=$upstream_cookie_sid lookup=$cookie_sid zone=kept:64k rebind=off; }
--- config
proxy_next_upstream error timeout http_503;
location /kept/ { proxy_pass http://kept/; }
--- upstream
server 127.0.0.1:1985 max_fails=0;
server 127.0.0.1:1986 max_fails=0;
server 127.0.0.1:1987 max_fails=0;
session_sticky mode=learn create=$upstream_cookie_sid lookup=$cookie_sid zone=moves:64k;
--- client
my $first = login('moves');
my $second = of('moves', "fail=$first");
holds($second =~ /^[ABC]$/ && $second ne $first, "another server serves the session: $second for $first");
equals(stays('moves'), $second, 'the session stays there');
my $own = where(visit('/kept/login?id=kept'));
my %others = map { where(visit("/kept/t?fail=$own", 'sid=kept')) => 1 } 1 .. 6;
equals(scalar(keys %others), 1, "rebind=off: always the same other server serves the session: @{[keys %others]} for $own");
equals(where(visit('/kept/t', 'sid=kept')), $own, 'rebind=off: the session returns to its server') for 1 .. 3;



=== fallback=off: a known session gets no other server, an unknown one any
--- upstream
server 127.0.0.1:1985 max_fails=0;
server 127.0.0.1:1986 max_fails=0;
session_sticky mode=learn create=$upstream_cookie_sid lookup=$cookie_sid zone=strict:64k fallback=off;
--- location
proxy_next_upstream error timeout http_503;
--- client
my $server = login('known');
equals(of('known', "fail=$server"), '503', 'its server fails: the error response is passed on');
equals(stays('known'), $server, 'the session stays');
equals(stays('nobody'), 'A B', 'an unknown session is load-balanced');
equals(login('new', "&fail=$_"), $_ eq 'A' ? 'B' : 'A', "a first visit gets another server when $_ fails") for qw(A B);



=== a response for which another server is tried creates no session
--- upstream
server 127.0.0.1:1985 max_fails=0;
server 127.0.0.1:1986 max_fails=0;
session_sticky mode=learn create=$upstream_http_x_session lookup=$cookie_sid zone=handed:64k;
--- location
proxy_next_upstream error timeout http_503 http_404;
--- client
# Both responses are candidates for the next server; the client gets the last one.
my $response = visit('/login?id=s&status=404');
equals(head('X-Upstream', $response) =~ tr/,//, '1', 'both are asked');
my ($last) = head('X-Upstream', $response) =~ /(\d+)$/;
equals(stays('s'), {1985 => 'A', 1986 => 'B'}->{$last}, 'the last server has the session');



=== a failed response does not create a session
--- config
location /half { proxy_pass http://half; proxy_next_upstream http_503; }
--- http_config
server { listen 127.0.0.1:1995; add_header X-Session half always; location / { return 503; } }
upstream half { server 127.0.0.1:1995 max_fails=0 weight=100; server 127.0.0.1:1985 max_fails=0; server 127.0.0.1:1986 max_fails=0;
    session_sticky mode=learn create=$upstream_http_x_session lookup=$arg_sid zone=half:64k fallback=off; }
--- upstream
server 127.0.0.1:1985;
--- client
holds(where(visit('/half')) =~ /^[AB]$/, 'the first server fails, the second answers');
# A known session would be strict and get 503.
holds(where(visit('/half?sid=half')) =~ /^[AB]$/, "the first server's session is unknown") for 1 .. 3;



=== responses of any status create and use sessions
--- upstream
server 127.0.0.1:1985 max_fails=0;
server 127.0.0.1:1986 max_fails=0;
session_sticky mode=learn create=$upstream_cookie_sid lookup=$cookie_sid zone=status:64k;
--- client
for my $status (404, 500) {
    my $response = visit("/login?id=s$status&status=$status");
    equals(status($response), $status, 'the application responds with an error');
    my ($at) = head('X-Upstream', $response) =~ /(\d+)$/;
    equals(stays("s$status"), {1985 => 'A', 1986 => 'B'}->{$at}, "the session was created by a response with status $status");
}



=== a new session for a client with an old one belongs to the server that responded
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986;
server 127.0.0.1:1987;
session_sticky mode=learn create=$upstream_cookie_sid lookup=$cookie_sid zone=new:64k;
--- client
my $server = login('old');
equals(where(visit('/login?id=new', 'sid=old')), $server, 'the old session reaches its server');
equals(stays('new'), $server, 'the new session, created by that server, does too');
equals(stays('old'), $server, 'the old session still does');



=== IDs of one byte, of 8 kB, with binary bytes
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986;
server 127.0.0.1:1987;
session_sticky mode=learn create=$upstream_http_x_session create=$arg_id lookup=$cookie_sid zone=ids:64k;
--- client
my $long = 'x' x 8192;
my %id = ('one byte' => '1', '8 kB' => $long, '8 kB, another' => substr($long, 1) . 'y', 'binary bytes' => "\x80\xff\xa0\xfe",
          'what a format has' => '%s%n%00%V', 'pipes and tildes' => '|~|~');
my %server = map { $_ => login($id{$_}) } sort keys %id;
for my $what (sort keys %id) {
    holds($server{$what} =~ /^[ABC]$/, "$what: the session is created: $server{$what}");
    equals(stays($id{$what}), $server{$what}, "$what: the session stays");
}



=== a session is used when its response is complete, not when it is looked up; it ends after its timeout
--- upstream
server 127.0.0.1:1996;
server 127.0.0.1:1995;
session_sticky mode=learn create=$arg_id lookup=$arg_sid zone=used:64k timeout=2s;
--- client
my %server = map { $_ => serve($_) } 1995, 1996;
my @all = values %server;
# Answers a request at once and returns the port of its server.
my $port_of = sub {
    my ($path) = @_;
    my $asked = ask($path);
    my $held = taken(\@all);
    my $port = $held->sockport;
    answer($held, $port);
    answer_of($asked);
    return $port;
};
my $port = $port_of->('/t?id=s');
for (1 .. 3) {
    sleep 1;
    equals($port_of->('/t?sid=s'), $port, 'used every second, it lives for three');
}
# Looked up now, answered after 2.7 s: its lifetime would be renewed then.
my $asked = ask('/t?sid=s');
my $held = taken(\@all);
equals($held->sockport, $port, 'a slow request reaches its server');
sleep 2.7;
my %while_it_lasts = map { $port_of->('/t?sid=s') => 1 } 1 .. 4;
equals(scalar(keys %while_it_lasts), 2, 'the session ends during the request, as nothing else used it');
answer($held, 'late');
answer_of($asked);
my %after = map { $port_of->('/t?sid=s') => 1 } 1 .. 4;
equals(scalar(keys %after), 2, 'it is not renewed after its end');
$port = $port_of->('/t?id=s');
sleep 2.7;
my %forgotten = map { $port_of->('/t?sid=s') => 1 } 1 .. 4;
equals(scalar(keys %forgotten), 2, 'it ends if unused for longer than its timeout');
