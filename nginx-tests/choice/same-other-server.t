# A session whose server is not available and that cannot be bound to another one (in prefix or rewrite mode when the application
# sets no cookie, or with rebind=off): the same other server, selected by its value, takes over until its own is available.
#
# lib/Upstreams.pm has the servers and the sections.
# Sections of this file:
#   kinds  these servers, in an upstream for each kind of session, with several of nginx's load-balancing methods, with and
#          without a zone. Their paths are in %kind: "/prefix_0/" => "prefix"

use Sticky qw(Upstreams Visits);
use Time::HiRes 'sleep';

our $now = time;
our $fail_timeout = $ENV{TEST_NGINX_USE_VALGRIND} ? 20 : 2;
our %kind;

my %parameters = (
    prefix  => 'mode=prefix',
    rewrite => 'mode=rewrite',
    keeps   => 'rebind=off',
    stamps  => 'rebind=off maxidle=1h',
);

# A cookie value of a session of the server with this ID; with "stamps", it changes with each visit.
sub value {
    my ($kind, $id, $session, $nth) = @_;
    return "$id~session-$session" if $kind eq 'prefix';
    return join '|', $id, $now - 60 + ($nth // 0), $now - 1000 - $session if $kind eq 'stamps';
    return $id;
}

# The servers of several visits of a session, and the values set.
sub served {
    my ($path, $id, $session, $times, $more) = @_;
    my $kind = $kind{$path};
    my %outcome;
    for my $nth (1 .. $times // 4) {
        my $response = visit($path . ($more // ''), 'route=' . value($kind, $id, $session, $nth), 1983);
        my $moved = bound($response) =~ /^(\w+)/ && $1 ne $id ? ', set ' . bound($response) : '';
        $outcome{(status($response) == 200 ? body($response) : status($response)) . $moved} = 1;
    }
    return join ' | ', sort keys %outcome;
}

# Tests that each of many sessions has one server, and that all of these servers are used.
sub spread {
    my ($path, $id, $servers, $what) = @_;
    my $sessions = $kind{$path} =~ /prefix|stamps/ ? 30 : 1;
    my %times;
    $times{served($path, $id, $_)}++ for 1 .. $sessions;
    my $got = join ' ', sort keys %times;
    return equals($got, $servers, "$path: $what") if $sessions > 1;
    return holds((grep { $_ eq $got } split ' ', $servers), "$path: $what: $got");
}

# Tests that this session eventually reaches its own server.
sub returns {
    my ($server, $path, $session) = @_;
    return eventually(sub {
        my $asked = ask($path, 'route=' . value($kind{$path}, 'x', $session), 1983);
        my $held = taken_unless_answered($server, $asked);
        answer($held, 'done') if $held;
        return body(response($asked)) eq 'done';
    }, "$path: its own server responds again");
}

client_sections();
upstream_sections(<<'_EOC_');
location /sets { add_header Set-Cookie "route=again"; return 200 "NAME"; }
location /fails { if ($arg_at = NAME) { return 503; } return 200 "NAME"; }
_EOC_
add_block_preprocessor(sub {
    my ($block) = @_;
    if (defined(my $servers = $block->kinds)) {
        my ($upstreams, $locations, $nth) = ('', '', 0);
        %kind = ();
        $servers =~ s/SECONDS/$fail_timeout/g;
        for my $kind (sort keys %parameters) {
            for my $balancer (grep { $servers !~ /backup/ || !/hash|random/ } '', $ENV{TEST_NGINX_USE_VALGRIND} ? () : ('least_conn;', 'hash $arg_key;', 'random two;')) {
                for my $zone ('', "zone same 8m;") {
                    my $name = "${kind}_" . $nth++;
                    $kind{"/$name/"} = $kind;
                    $upstreams .= "upstream $name { $zone $balancer $servers session_sticky hash=plain $parameters{$kind}; }\n";
                    $locations .= "location /next/$name/ { proxy_next_upstream error timeout http_503; proxy_pass http://$name/; }\n";
                }
            }
        }
        $block->set_value(upstreams => $upstreams);
        $block->set_value(locations => $locations);
    }
    $block->set_value(no_error_log => "[alert]\n[crit]\n[emerg]\n");
});

master_on();
worker_connections(1024);
log_level('notice');
run_tests();

__DATA__

=== down: many sessions are spread over the other servers, each keeps its server, and no cookie is set
--- kinds: server D: id=x down; server A: id=a; server B: id=b; server C: id=c;
--- client
spread($_, 'x', 'A B C', 'each session has one server') for sort keys %kind;
equals(served($_, 'a', 1), 'A', "$_: sessions of another server stay") for sort keys %kind;



=== down: the same server in all workers, and after a reload
--- workers: 3
--- kinds: server D: id=x down; server A: id=a; server B: id=b; server C: id=c;
--- client
my %before;
for my $path (sort keys %kind) {
    for my $session (1 .. 3) {
        $before{"$path $session"} = bodies(map { visit("$path?key=$_", 'route=' . value($kind{$path}, 'x', $session), 1983) } 1 .. 12);
        holds($before{"$path $session"} =~ /^[ABC]$/, "$path: one server in all workers: " . $before{"$path $session"});
    }
}
holds(reload(), 'nginx is reloaded');
for my $path (sort keys %kind) {
    equals(served($path, 'x', $_), $before{"$path $_"}, "$path: the same server after the reload") for 1 .. 3;
}



=== other servers with its ID are preferred
--- kinds: server D: id=x down; server C: id=x; server A: id=a; server B: id=b;
--- client
equals(served($_, 'x', 7), 'C', "$_: by the other server with its ID") for sort keys %kind;



=== two servers refuse connections: each is tried until it has failed, and the sessions are spread over the others
--- kinds: server D: id=x fail_timeout=600s; server E: id=e fail_timeout=600s; server A: id=a; server B: id=b;
--- client
for my $path (sort keys %kind) {
    my $first = visit($path, 'route=' . value($kind{$path}, 'x', 1), 1983);
    holds(body($first) =~ /^[AB]$/, "$path: another server responds to the first request");
    holds(head('X-Tried', $first) =~ /^\Q$line{D}\E, /, "$path: after its own was tried");
    spread($path, 'x', 'A B', 'then each session has one server');
}



=== no draining or backup server is used while another one is available
--- kinds: server D: id=x down; server A: id=a; server B: id=b drain; server C: id=c backup;
--- client
spread($_, 'x', 'A', 'one server is left') for sort keys %kind;



=== a backup server is used if no other one is available
--- kinds: server D: id=x down; server E: id=a max_fails=1 fail_timeout=600s; server B: id=b drain; server C: id=c backup;
--- client
for my $path (sort keys %kind) {
    served($path, 'x', 1, 1);
    spread($path, 'x', 'C', 'the backup server is left');
}



=== several backup servers, and no other one is available: each session has one, and another one while that fails
--- kinds: server D: id=x down; server A: id=a backup max_fails=0; server B: id=b backup max_fails=0; server C: id=c backup max_fails=0;
--- client
for my $path (sort keys %kind) {
    spread($path, 'x', 'A B C', 'each session has one backup server');
    my $usual = served($path, 'x', 2);
    my $response = visit("/next${path}fails?at=$usual", 'route=' . value($kind{$path}, 'x', 2), 1983);
    holds(body($response) =~ /^[ABC]$/ && body($response) ne $usual, "$path: another one while $usual fails: " . body($response));
}



=== the other server fails: the session has one further server, and returns as soon as that one responds
--- kinds: server D: id=x down; server A: id=a max_fails=0; server B: id=b max_fails=0; server C: id=c max_fails=0;
--- client
for my $path (sort keys %kind) {
    for my $session (1 .. ($kind{$path} =~ /prefix|stamps/ ? 12 : 1)) {
        my $usual = served($path, 'x', $session, 2);
        my $next = $path =~ s{^/}{/next/}r;
        $kind{$next} = $kind{$path};
        my $other = served($next, 'x', $session, 3, "fails?at=$usual");
        delete $kind{$next};
        holds($other =~ /^[ABC]$/ && $other ne $usual, "$path: while $usual fails, one other server: $other");
        equals(served($path, 'x', $session, 1), $usual, "$path: and afterwards the same as before");
    }
}



=== the application sets a new cookie: the session is bound to the other server
--- kinds: server D: id=x down; server A: id=a; server B: id=b; server C: id=c;
--- client
for my $path (grep { $kind{$_} =~ /prefix|rewrite/ } sort keys %kind) {
    my $usual = served($path, 'x', 3);
    my $response = visit("${path}sets", 'route=' . value($kind{$path}, 'x', 3), 1983);
    equals(body($response), $usual, "$path: the other server sets it");
    equals(bound($response), lc $usual . ($kind{$path} eq 'prefix' ? '~again' : ''), "$path: the cookie has its ID");
    equals(body(visit($path, 'route=' . bound($response), 1983)), $usual, "$path: and the session stays on it");
}



=== when its own server is available again, it gets its sessions
--- kinds: server 127.0.0.1:1990 id=x max_fails=1 fail_timeout=SECONDSs; server A: id=a; server B: id=b;
--- client
my %usual;
for my $path (sort keys %kind) {
    served($path, 'x', 5, 1);
    $usual{$path} = served($path, 'x', 5, 1);
}
my $server = serve(1990);
sleep $fail_timeout + 1.2;
for my $path (sort keys %kind) {
    holds($usual{$path} =~ /^[AB]$/, "$path: while it is not available: $usual{$path}");
    returns($server, $path, 5);
}



=== max_conns: while its own server has reached its limit
--- upstreams
upstream prefix { server 127.0.0.1:1990 id=x max_conns=1; server A: id=a; server B: id=b; session_sticky hash=plain mode=prefix; }
upstream keeps  { zone same_full 256k; server 127.0.0.1:1990 id=x max_conns=1; server A: id=a; server B: id=b; session_sticky hash=plain rebind=off; }
--- client
%kind = ('/prefix/' => 'prefix', '/keeps/' => 'keeps');
my $server = serve(1990);
for my $path (sort keys %kind) {
    my $asked = ask($path, 'route=' . value($kind{$path}, 'x', 1), 1983);
    my $held = taken($server);
    holds($held, "$path: its own server has a request");
    spread($path, 'x', 'A B', 'each other session has one server');
    answer($held, 'done') if $held;
    equals(body(response($asked)), 'done', "$path: the request gets its response");
    returns($server, $path, 1);
}



=== sessions that can be bound to another server move, as the load-balancing method selects
--- upstreams
upstream insert { server D: id=x down; server A: id=a; server B: id=b; session_sticky hash=plain; }
upstream gone   { server A: id=a; server B: id=b; session_sticky hash=plain rebind=off; }
--- client
for my $path ('/insert/', '/gone/') {
    my @visits = map { visit($path, 'route=x', 1983) } 1 .. 4;
    equals(bodies(@visits) . ', ' . cookies(@visits), 'A | B, a | b', "$path: to either server, and are bound to it");
}



=== 70 other servers: all of them have sessions
--- locations
}
server {
    listen 1993;
    location / { return 200 "$server_addr"; }
--- upstreams eval
'upstream prefix { server D: id=x down; ' . CORE::join('', map { "server 127.0.1.$_:1993 id=s$_; " } 1 .. 70)
    . 'session_sticky hash=plain mode=prefix; }'
--- client
my %sessions;
for my $session (1 .. 400) {
    my %served = map { body(visit('/prefix/', "route=x~$session", 1983)) => 1 } 1 .. 2;
    $sessions{CORE::join ' ', keys %served}++;
}
equals(scalar(grep { / / } keys %sessions), 0, 'each session has one server');
holds(keys %sessions > 60, 'most servers are used: ' . keys %sessions);
holds(!grep({ $_ > 25 } values %sessions), 'none for too many sessions');
