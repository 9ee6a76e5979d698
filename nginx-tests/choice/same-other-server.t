# A session whose server is away and that cannot be bound anew, in prefix or rewrite mode where the application sets nothing
# now, or with rebind=off, is served by one and the same other server, chosen from its value, until its own is back.
#
# lib/Upstreams.pm has the servers and the sections.
# Sections of this file's own:
#   kinds  an upstream for each kind of session, for several of nginx's balancers, with a zone and without: these are its
#          servers. Their paths are in %kind: "/prefix_0/" => "prefix"

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

# The value of a cookie of server "id", of which a session has many in its life.
sub value {
    my ($kind, $id, $session, $nth) = @_;
    return "$id~session-$session" if $kind eq 'prefix';
    return join '|', $id, $now - 60 + ($nth // 0), $now - 1000 - $session if $kind eq 'stamps';
    return $id;
}

# Which server serves this session, and what it is told, whatever the visit.
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

# Each of many sessions has one server, and together they have all of these.
sub spread {
    my ($path, $id, $servers, $what) = @_;
    my $sessions = $kind{$path} =~ /prefix|stamps/ ? 30 : 1;
    my %times;
    $times{served($path, $id, $_)}++ for 1 .. $sessions;
    my $got = join ' ', sort keys %times;
    return equals($got, $servers, "$path: $what") if $sessions > 1;
    return holds((grep { $_ eq $got } split ' ', $servers), "$path: $what: $got");
}

# This session comes to reach its own server.
sub returns {
    my ($server, $path, $session) = @_;
    return eventually(sub {
        my $asked = ask($path, 'route=' . value($kind{$path}, 'x', $session), 1983);
        my $held = taken_unless_answered($server, $asked);
        answer($held, 'done') if $held;
        return body(response($asked)) eq 'done';
    }, "$path: its own serves it again");
}

client_sections();
upstream_sections(<<'_EOC_');
location /sets { add_header Set-Cookie "route=anew"; return 200 "NAME"; }
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

=== down: many sessions are spread over the rest, each stays where it is, and nothing is set
--- kinds: server D: id=x down; server A: id=a; server B: id=b; server C: id=c;
--- client
spread($_, 'x', 'A B C', 'one server each') for sort keys %kind;
equals(served($_, 'a', 1), 'A', "$_: those of another server have theirs") for sort keys %kind;



=== down: by the workers as by one, and after a reload
--- workers: 3
--- kinds: server D: id=x down; server A: id=a; server B: id=b; server C: id=c;
--- client
my %before;
for my $path (sort keys %kind) {
    for my $session (1 .. 3) {
        $before{"$path $session"} = bodies(map { visit("$path?key=$_", 'route=' . value($kind{$path}, 'x', $session), 1983) } 1 .. 12);
        holds($before{"$path $session"} =~ /^[ABC]$/, "$path: one server, in every worker: " . $before{"$path $session"});
    }
}
holds(reload(), 'nginx is reloaded');
for my $path (sort keys %kind) {
    equals(served($path, 'x', $_), $before{"$path $_"}, "$path: and the same after that") for 1 .. 3;
}



=== others of its id serve a session first
--- kinds: server D: id=x down; server C: id=x; server A: id=a; server B: id=b;
--- client
equals(served($_, 'x', 7), 'C', "$_: by the other one of its id") for sort keys %kind;



=== a server that refuses connections, and another: each is tried until it is known, the sessions have the rest
--- kinds: server D: id=x fail_timeout=600s; server E: id=e fail_timeout=600s; server A: id=a; server B: id=b;
--- client
for my $path (sort keys %kind) {
    my $first = visit($path, 'route=' . value($kind{$path}, 'x', 1), 1983);
    holds(body($first) =~ /^[AB]$/, "$path: another serves the first request");
    holds(head('X-Tried', $first) =~ /^\Q$line{D}\E, /, "$path: after its own was tried");
    spread($path, 'x', 'A B', 'then one server each');
}



=== neither draining servers nor backups, while one of the others is available
--- kinds: server D: id=x down; server A: id=a; server B: id=b drain; server C: id=c backup;
--- client
spread($_, 'x', 'A', 'only one is left') for sort keys %kind;



=== backups, when no other is available
--- kinds: server D: id=x down; server E: id=a max_fails=1 fail_timeout=600s; server B: id=b drain; server C: id=c backup;
--- client
for my $path (sort keys %kind) {
    served($path, 'x', 1, 1);
    spread($path, 'x', 'C', 'the backup is left');
}



=== several backups, when no other is available: one and the same of them, and another if that fails
--- kinds: server D: id=x down; server A: id=a backup max_fails=0; server B: id=b backup max_fails=0; server C: id=c backup max_fails=0;
--- client
for my $path (sort keys %kind) {
    spread($path, 'x', 'A B C', 'one backup each');
    my $usual = served($path, 'x', 2);
    my $response = visit("/next${path}fails?at=$usual", 'route=' . value($kind{$path}, 'x', 2), 1983);
    holds(body($response) =~ /^[ABC]$/ && body($response) ne $usual, "$path: another while $usual fails: " . body($response));
}



=== the other one fails: the next, and as soon as it answers the first again
--- kinds: server D: id=x down; server A: id=a max_fails=0; server B: id=b max_fails=0; server C: id=c max_fails=0;
--- client
for my $path (sort keys %kind) {
    for my $session (1 .. ($kind{$path} =~ /prefix|stamps/ ? 12 : 1)) {
        my $usual = served($path, 'x', $session, 2);
        my $next = $path =~ s{^/}{/next/}r;
        $kind{$next} = $kind{$path};
        my $other = served($next, 'x', $session, 3, "fails?at=$usual");
        delete $kind{$next};
        holds($other =~ /^[ABC]$/ && $other ne $usual, "$path: while $usual fails, one and the same: $other");
        equals(served($path, 'x', $session, 1), $usual, "$path: and when it does not, as before");
    }
}



=== the application sets the cookie anew: the session is bound where it was
--- kinds: server D: id=x down; server A: id=a; server B: id=b; server C: id=c;
--- client
for my $path (grep { $kind{$_} =~ /prefix|rewrite/ } sort keys %kind) {
    my $usual = served($path, 'x', 3);
    my $response = visit("${path}sets", 'route=' . value($kind{$path}, 'x', 3), 1983);
    equals(body($response), $usual, "$path: the same server sets it");
    equals(bound($response), lc $usual . ($kind{$path} eq 'prefix' ? '~anew' : ''), "$path: and is what it names");
    equals(body(visit($path, 'route=' . bound($response), 1983)), $usual, "$path: and where it leads");
}



=== when its own is back it has its sessions again
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
    holds($usual{$path} =~ /^[AB]$/, "$path: while it is away: $usual{$path}");
    returns($server, $path, 5);
}



=== max_conns: while its own is full
--- upstreams
upstream prefix { server 127.0.0.1:1990 id=x max_conns=1; server A: id=a; server B: id=b; session_sticky hash=plain mode=prefix; }
upstream keeps  { zone same_full 256k; server 127.0.0.1:1990 id=x max_conns=1; server A: id=a; server B: id=b; session_sticky hash=plain rebind=off; }
--- client
%kind = ('/prefix/' => 'prefix', '/keeps/' => 'keeps');
my $server = serve(1990);
for my $path (sort keys %kind) {
    my $asked = ask($path, 'route=' . value($kind{$path}, 'x', 1), 1983);
    my $held = taken($server);
    holds($held, "$path: its own has a request");
    spread($path, 'x', 'A B', 'others have one server each meanwhile');
    answer($held, 'done') if $held;
    equals(body(response($asked)), 'done', "$path: which is answered");
    returns($server, $path, 1);
}



=== what can be bound anew moves, as the balancer says
--- upstreams
upstream insert { server D: id=x down; server A: id=a; server B: id=b; session_sticky hash=plain; }
upstream gone   { server A: id=a; server B: id=b; session_sticky hash=plain rebind=off; }
--- client
for my $path ('/insert/', '/gone/') {
    my @visits = map { visit($path, 'route=x', 1983) } 1 .. 4;
    equals(bodies(@visits) . ', ' . cookies(@visits), 'A | B, a | b', "$path: to any, and is bound there");
}



=== 70 others: all of them have sessions
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
equals(scalar(grep { / / } keys %sessions), 0, 'each has one');
holds(keys %sessions > 60, 'most of them are in use: ' . keys %sessions);
holds(!grep({ $_ > 25 } values %sessions), 'none for too many');
