# mode=learn and "sticky learn": nginx remembers which server has a session that the application has begun.
#
# A, B and C answer with their name. /login lets them begin the session of the argument id, by a cookie and by a field;
# with the argument fail=NAME that server answers 503, with status=404 and so on the one that is asked does. E is dead.
# Sections of this file's own:
#   upstream  what stands in "upstream u"
#   location  what stands beside proxy_pass

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

# The server of each of these visits, or its status.
sub where { my ($response) = @_; return status($response) eq '200' ? body($response) : status($response) }
sub login { my ($id, $more) = @_; return where(visit("/login?id=$id" . ($more // ''))) }
sub of { my ($id, $more) = @_; return where(visit('/t?' . ($more // ''), "sid=$id")) }
# Where a session goes, asked so often that chance would show.
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

=== a session stays with the server that has begun it, and one that nobody began is balanced
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986;
server 127.0.0.1:1987;
session_sticky mode=learn create=$upstream_cookie_sid lookup=$cookie_sid zone=stays:64k;
--- client
my %server = map { $_ => login("s$_") } 1 .. 6;
equals(join('', sort values %server), 'AABBCC', 'sessions are spread');
equals(stays("s$_"), $server{$_}, "session $_ stays") for sort keys %server;
equals(stays('nobody'), 'A B C', 'an ID that no server gave is balanced');
equals(stays('s1x'), 'A B C', 'an ID counts as a whole');
equals(set(visit('/t', 'sid=s1')), '', 'nothing is set');
equals(set(visit('/login?id=s9')), 'sid=s9; Path=/', 'but by the application');



=== "sticky learn": the same
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986;
server 127.0.0.1:1987;
sticky learn create=$upstream_cookie_sid lookup=$cookie_sid zone=stays_as_nginx:64k;
--- client
my %server = map { $_ => login("s$_") } 1 .. 6;
equals(join('', sort values %server), 'AABBCC', 'sessions are spread');
equals(stays("s$_"), $server{$_}, "session $_ stays") for sort keys %server;
equals(stays('nobody'), 'A B C', 'an ID that no server gave is balanced');



=== several variables: the first that is not empty counts, in create= as in lookup=
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986;
session_sticky mode=learn create=$upstream_http_x_none create=$upstream_http_x_session create=$upstream_cookie_sid
               lookup=$arg_sid lookup=$cookie_sid zone=several:64k;
--- client
my $server = login('one');
login('two') if $server eq login('two');
equals(stays('one'), $server, 'a cookie');
my %by_argument = map { where(visit('/t?sid=one', 'sid=two')) => 1 } 1 .. 6;
equals(join(' ', keys %by_argument), $server, 'the argument before the cookie');
equals(join(' ', sort keys %{{map { where(visit('/t?sid=', 'sid=one')) => 1 } 1 .. 6}}), $server, 'an empty argument is none');



=== created from what the client sends: a cookie, an argument
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



=== a session moves for good when its server fails, and with rebind=off until its server is back
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
holds($second =~ /^[ABC]$/ && $second ne $first, "another serves it: $second for $first");
equals(stays('moves'), $second, 'and keeps it');
my $own = where(visit('/kept/login?id=kept'));
my %others = map { where(visit("/kept/t?fail=$own", 'sid=kept')) => 1 } 1 .. 6;
equals(scalar(keys %others), 1, "rebind=off: one and the same other serves it: @{[keys %others]} for $own");
equals(where(visit('/kept/t', 'sid=kept')), $own, 'and its own when that is back') for 1 .. 3;



=== fallback=off: no other server for a session that is known, any for one that is not
--- upstream
server 127.0.0.1:1985 max_fails=0;
server 127.0.0.1:1986 max_fails=0;
session_sticky mode=learn create=$upstream_cookie_sid lookup=$cookie_sid zone=strict:64k fallback=off;
--- location
proxy_next_upstream error timeout http_503;
--- client
my $server = login('known');
equals(of('known', "fail=$server"), '503', 'its server fails: the page is passed on');
equals(stays('known'), $server, 'and it stays');
equals(stays('nobody'), 'A B', 'an unknown session is balanced');
equals(login('new', "&fail=$_"), $_ eq 'A' ? 'B' : 'A', "a first visit may go elsewhere when $_ fails") for qw(A B);



=== what a server responds for which another is asked begins no session
--- upstream
server 127.0.0.1:1985 max_fails=0;
server 127.0.0.1:1986 max_fails=0;
session_sticky mode=learn create=$upstream_http_x_session lookup=$cookie_sid zone=handed:64k;
--- location
proxy_next_upstream error timeout http_503 http_404;
--- client
# Each has turned the request away, the last one's response is the client's.
my $response = visit('/login?id=s&status=404');
equals(head('X-Upstream', $response) =~ tr/,//, '1', 'both are asked');
my ($last) = head('X-Upstream', $response) =~ /(\d+)$/;
equals(stays('s'), {1985 => 'A', 1986 => 'B'}->{$last}, 'the last one has the session');



=== a session that a failed response would have begun is not known
--- config
location /half { proxy_pass http://half; proxy_next_upstream http_503; }
--- http_config
server { listen 127.0.0.1:1995; add_header X-Session half always; location / { return 503; } }
upstream half { server 127.0.0.1:1995 max_fails=0 weight=100; server 127.0.0.1:1985 max_fails=0; server 127.0.0.1:1986 max_fails=0;
    session_sticky mode=learn create=$upstream_http_x_session lookup=$arg_sid zone=half:64k fallback=off; }
--- upstream
server 127.0.0.1:1985;
--- client
holds(where(visit('/half')) =~ /^[AB]$/, 'the first is asked, the second answers');
# Known, it would be strict, and get 503.
holds(where(visit('/half?sid=half')) =~ /^[AB]$/, 'and the session of the first is unknown') for 1 .. 3;



=== responses of any status begin sessions and use them
--- upstream
server 127.0.0.1:1985 max_fails=0;
server 127.0.0.1:1986 max_fails=0;
session_sticky mode=learn create=$upstream_cookie_sid lookup=$cookie_sid zone=status:64k;
--- client
for my $status (404, 500) {
    my $response = visit("/login?id=s$status&status=$status");
    equals(status($response), $status, 'the application says no');
    my ($at) = head('X-Upstream', $response) =~ /(\d+)$/;
    equals(stays("s$status"), {1985 => 'A', 1986 => 'B'}->{$at}, "but it has begun a session, by $status");
}



=== a session that a response begins anew goes to the server that has responded
--- upstream
server 127.0.0.1:1985;
server 127.0.0.1:1986;
server 127.0.0.1:1987;
session_sticky mode=learn create=$upstream_cookie_sid lookup=$cookie_sid zone=anew:64k;
--- client
my $server = login('old');
equals(where(visit('/login?id=new', 'sid=old')), $server, 'the old session leads to its server');
equals(stays('new'), $server, 'so does the new one, which that server has begun');
equals(stays('old'), $server, 'and the old one still');



=== IDs of one byte, of 8 kB, of binary bytes
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
    holds($server{$what} =~ /^[ABC]$/, "$what: it begins: $server{$what}");
    equals(stays($id{$what}), $server{$what}, "$what: it stays");
}



=== a session is used when its response is complete, not when it is looked up; unused, it is forgotten
--- upstream
server 127.0.0.1:1996;
server 127.0.0.1:1995;
session_sticky mode=learn create=$arg_id lookup=$arg_sid zone=used:64k timeout=2s;
--- client
my %server = map { $_ => serve($_) } 1995, 1996;
my @all = values %server;
# Which server gets this request, and answers it at once.
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
    equals($port_of->('/t?sid=s'), $port, 'used each second it lives for three');
}
# Looked up now, answered in two seconds and a half: it lives from then on.
my $asked = ask('/t?sid=s');
my $held = taken(\@all);
equals($held->sockport, $port, 'a long request comes to its server');
sleep 2.7;
my %while_it_lasts = map { $port_of->('/t?sid=s') => 1 } 1 .. 4;
equals(scalar(keys %while_it_lasts), 2, 'while it lasts the session ends, as nothing else used it');
answer($held, 'late');
answer_of($asked);
my %after = map { $port_of->('/t?sid=s') => 1 } 1 .. 4;
equals(scalar(keys %after), 2, 'and it is not renewed after its end: only what is known is');
$port = $port_of->('/t?id=s');
sleep 2.7;
my %forgotten = map { $port_of->('/t?sid=s') => 1 } 1 .. 4;
equals(scalar(keys %forgotten), 2, 'unused for longer than its timeout it is forgotten');
