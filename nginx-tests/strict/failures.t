# Strict sessions: a request that fails or times out does not cause other requests to be refused. Each of them is passed
# to the session's server, with any max_fails and fail_timeout, in every worker. nginx's failure counters affect only
# requests without a session.
#
# Stories.pm describes the format of stories, Failures.pm the failures.
# Sections of this file's own:
#   upstreams   a template for many upstreams, one per failure on an established connection; MAX is replaced by each
#               value of max_fails, and ZONE by a zone or nothing

use Sticky qw(Counters Failures FaultyServers Stories);

master_on();
worker_connections(4096);

our $servers = failing_servers(1985, 1986, 1987);
our $at_a = '127.0.0.1:1985';

# Under valgrind, a few of each suffice.
our $valgrind = $ENV{TEST_NGINX_USE_VALGRIND} // '';

# "at once" is unpredictable: the server may reset the connection before it is established.
our @said = grep { !exists $failing_port{$_} } $valgrind ? qw(hang reset invalid body-empty 503 404) : @failures;
our @max_fails = $valgrind ? ('', 'max_fails=2') : ('', 'max_fails=1', 'max_fails=2', 'max_fails=0');

# The upstreams created by the section "upstreams": {name, failure, max}
our @upstreams;

sub upstreams {
    my ($line) = @_;
    @upstreams = ();
    my $http = '';
    for my $failure (@said) {
        for my $max (@max_fails) {
            for my $zone ('', "zone failures 8m;") {
                my $name = 'u' . @upstreams;
                push @upstreams, {name => $name, failure => $failure, what => "$failure, $max $zone",
                                  max => $max =~ /max_fails=(\d)/ ? $1 : 1};
                $http .= "upstream $name { " . ($line =~ s/MAX/$max/r =~ s/ZONE/$zone/r) . " }\n";
            }
        }
    }
    return $http;
}

# Sends a request to each upstream in parallel and reports those with another outcome. The plan and the wanted outcome
# may depend on the upstream.
sub each_gets {
    my ($cookie, $plan, $wanted, $what) = @_;
    my @got = outcomes(map { [$_->{name}, $cookie, ref $plan ? $plan->($_) : $plan] } @upstreams);
    my @wrong;
    for my $nth (0 .. $#upstreams) {
        my $wants = ref $wanted ? $wanted->($upstreams[$nth]) : $wanted;
        push @wrong, "$upstreams[$nth]{what}: $got[$nth]" if $got[$nth] !~ /^(?:$wants)$/;
    }
    return equals(join("\n", @wrong), '', $what);
}

# Checks nginx's failure counters of A and B.
sub counted {
    my ($times) = @_;
    my @wrong;
    for my $upstream (@upstreams) {
        my $fails = join ' ', map { $_->{fails} } @{settled($upstream->{name})};
        my $wanted = $times * is_failure($upstream->{failure});
        push @wrong, "$upstream->{what}: $fails" if $fails !~ /^$wanted(?: 0)+$/;
    }
    return equals(join("\n", @wrong), '', "failures are counted $times times, if nginx counts them");
}

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => upstreams($block->upstreams)) if defined $block->upstreams;
    if (defined $block->upstreams && !defined $block->client) {
        $block->set_value(client => sub {
            my $fails = sub { status_of($_[0]{failure}) . ' of A' };
            each_gets($at_a, sub { "$_[0]{failure} ok" }, $fails, "the session's server fails");
            each_gets($at_a, 'ok', '200 of A', 'the next request is served') for 1 .. 2;
            counted(1);
            each_gets($at_a, sub { "$_[0]{failure} ok" }, $fails, 'it fails again') for 1 .. 2;
            each_gets($at_a, 'ok', '200 of A', 'the next request is served nevertheless');
            counted(3);
            # Load balancing avoids the server, as it would without session_sticky.
            my $first = sub { is_failure($_[0]{failure}) && $_[0]{max} ? '200 of B' : '200 of [AB]' };
            each_gets('', 'ok', $first, 'first visits are served by an available server') for 1 .. 2;
        });
    }
    live($block, $block->directives // 'proxy_next_upstream error timeout invalid_header http_500 http_502 http_503 http_504
                                        http_403 http_404 http_429 non_idempotent;');
});

run_tests();

__DATA__

=== fallback=off
--- upstreams: ZONE server A: MAX; server B:; session_sticky hash=plain fallback=off;



=== fallback=unknown, with several other servers
--- upstreams: ZONE server A: MAX; server B:; server C: down; server C: backup; session_sticky hash=plain fallback=unknown;



=== sticky no_fallback
--- upstreams: ZONE server A: MAX; server B:; sticky text=raw no_fallback;



=== sticky_no_fallback in the location
--- upstreams: ZONE least_conn; server A: MAX; server B:; session_sticky hash=plain;
--- directives: sticky_no_fallback; proxy_next_upstream error timeout invalid_header http_500 http_502 http_503 http_504 http_403 http_404 http_429 non_idempotent;



=== proxy_next_upstream off
--- upstreams: ZONE server A: MAX; server B:; session_sticky hash=plain fallback=off;
--- directives: proxy_next_upstream off;



=== one server of the ID is down: the other one is asked after any failure
--- upstreams: ZONE server C: id=127.0.0.1:1985 down; server A: MAX id=127.0.0.1:1985; server B: id=b; session_sticky hash=plain fallback=off;
--- client
each_gets($at_a, sub { "$_[0]{failure} ok" }, sub { status_of($_[0]{failure}) . ' of A' }, "the session's server fails") for 1 .. 2;
each_gets($at_a, 'ok', '200 of A', 'the next request is served') for 1 .. 2;



=== while a request waits for its response, and after it timed out, with several workers: others are served
--- workers: 3
--- http_config
upstream zoned   { zone slow 512k; server A:; server B:; session_sticky hash=plain fallback=off; }
upstream without { server A:; server B:; session_sticky hash=plain fallback=off; }
upstream one     { zone slow 512k; server A: max_fails=1; server B:; session_sticky hash=plain fallback=unknown; }
--- client
for my $upstream (qw(zoned without one)) {
    my $ask = sub { ask_for($_[0], $upstream, {cookie => "route=$at_a"}) };
    my @late = map { $ask->('hang ok') } 1 .. 9;
    my @meanwhile = map { outcome(response($ask->('ok'))) } 1 .. 20;
    equals(join(' | ', grep { $_ ne '200 of A' } @meanwhile), '', "$upstream: meanwhile other requests are served");
    my @then = map { response($_) } @late;
    equals(join(' | ', grep { $_ ne '504 of A' } map { outcome($_) } @then), '', "$upstream: late requests get 504");
    my (%workers, @wrong);
    for (1 .. 300) {
        my $response = response($ask->('ok'));
        $workers{head('X-Worker', $response)}++;
        push @wrong, outcome($response) if outcome($response) ne '200 of A';
        last if keys %workers == 3 && $_ >= 40;
    }
    equals(scalar(keys %workers), 3, "$upstream: further requests are spread over all workers");
    equals(join(' | ', @wrong), '', "$upstream: they are served at once");
}



=== response cut off in the middle: only the client of that request is affected
--- http_config
upstream u { zone cut 512k; server A:; server B:; session_sticky hash=plain fallback=off; }
upstream v { server A:; server B:; session_sticky hash=plain fallback=off; }
--- client
for my $upstream (qw(u v)) {
    my $asked = ask_for('body-reset ok', $upstream, {cookie => "route=$at_a", id => "cut-$upstream"});
    equals($servers->port_of("cut-$upstream"), 1985, "$upstream: the server has the request");
    my $head = read_until($asked, qr/half of it/);
    equals(outcome($head), '200 of A', "$upstream: the server has begun to answer");
    $servers->go("cut-$upstream");
    read_until($asked, qr/(?!)/);
    chapter("$upstream $at_a ok => 200 of A, fails 0 0, no new cookie") for 1 .. 2;
}



=== a client disconnects: other requests are not refused
--- http_config
upstream u { zone left 512k; server A:; server B:; session_sticky hash=plain fallback=off; }
--- client
my $asked = ask_for('wait', 'u', {cookie => "route=$at_a", id => 'leaves'});
equals($servers->port_of('leaves'), 1985, 'the server has the request');
close $asked;
chapter("u $at_a ok => 200 of A, fails 0 0, no new cookie") for 1 .. 2;



=== several servers with one ID: one past max_fails is asked when no other is left
--- http_config
upstream u { zone group_fails 512k; server A: id=x; server B: id=x; server C: id=c; session_sticky hash=plain fallback=off; }
upstream v { server A: id=x; server B: id=x backup; server C: id=c; session_sticky hash=plain fallback=off; }
upstream w { server A: id=x; server B: id=x down; server C: id=c; session_sticky hash=plain fallback=off; }
--- stories
u x reset ok => 200 of A B, fails 1 0 0, no new cookie
u x ok => 200 of B, fails 1 0 0, no new cookie
u x 503 ok => 200 of B A, fails 1 1 0, no new cookie
u x 503 503 ok => 503 of A B, fails 2 1 0, no new cookie
u x hang ok => 200 of A B, fails 3 1 0, no new cookie
v x reset ok => 200 of A B, fails 1 0 0, no new cookie
v x ok => 200 of B, fails 1 0 0, no new cookie
v x reset reset ok => 502 of B A, fails 2 0 1, no new cookie
w x reset ok => 502 of A, fails 1 0 0, no new cookie
w x ok => 200 of A, fails 1 0 0, no new cookie
w x hang ok => 504 of A, fails 2 0 0, no new cookie
w x ok => 200 of A, fails 2 0 0, no new cookie
--- client
for my $upstream (qw(u v)) {
    my @outcomes = outcomes(map { [$upstream, 'x', 'ok'] } 1 .. 4);
    equals(join(' | ', grep { !/^200 of [AB]$/ } @outcomes), '', "$upstream: all are past max_fails, and their sessions are served");
}



=== several servers with one ID: one that refuses connections is not used as the last resort
--- http_config
upstream u { zone group_refuses 256k; server R: id=x; server A: id=x; server B: id=b; session_sticky hash=plain fallback=off; }
upstream v { server A: id=x; server R: id=x backup; server B: id=b; session_sticky hash=plain fallback=off; }
--- stories
u x ok => 200 of R A, fails 1 0 0, no new cookie
u x 503 ok => 503 of A, fails 1 0 0, no new cookie
u x hang ok => 504 of A, fails 1 1 0, no new cookie
u x ok => 200 of A, fails 1 1 0, no new cookie
v x 503 ok => 502 of A R, fails 1 0 1, no new cookie
v x 503 ok => 503 of A, fails 1 0 1, no new cookie



=== several servers with one ID: draining ones are asked last
--- http_config
upstream u { zone group_drains 256k; server A: id=x drain; server B: id=x; server C: id=c; session_sticky hash=plain fallback=off; }
upstream v { server A: id=x drain; server B: id=x drain; server C: id=c; session_sticky hash=plain fallback=unknown; }
--- stories
u x 404 404 ok => 404 of B A, fails 0 0 0, no new cookie
u x 404 ok => 200 of B A, fails 0 0 0, no new cookie
u x 503 503 ok => 503 of B A, fails 0 1 0, no new cookie
v x 503 503 ok => 503 of A B, fails 1 0 0, no new cookie
v x ok => 200 of B, fails 1 0 0, no new cookie



=== 70 servers with one ID: the last one answers
--- http_config eval
"upstream u { " . CORE::join('', map { "server 127.0.1.$_:1999 id=x;\n" } 1 .. 69)
    . "server A: id=x; server B:; session_sticky hash=plain fallback=off; }\n"
--- client
my $response = response(ask_for('ok', 'u', {cookie => 'route=x'}));
equals(status($response), 200, 'the working server is found');
equals(scalar(() = head('X-Tried', $response) =~ /127/g), 70, 'all other servers were tried before');
equals((outcomes(['u', 'x', '503 ok']))[0], '503 of A', 'then they are known not to accept connections');



=== an upstream with one server
--- http_config
upstream u { server A: max_fails=1; session_sticky hash=plain fallback=off; }
upstream v { zone single 256k; server A: max_fails=1; session_sticky hash=plain fallback=unknown; }
upstream w { server R: max_fails=1; session_sticky hash=plain fallback=off; }
upstream x { zone single 256k; server R: max_fails=1; session_sticky hash=plain fallback=off; }
upstream y { server R:; sticky text=raw no_fallback; }
--- stories
u 127.0.0.1:1985 hang => 504 of A, fails 0, no new cookie
u 127.0.0.1:1985 503 => 503 of A, fails 0, no new cookie
u 127.0.0.1:1985 ok => 200 of A, fails 0, no new cookie
v 127.0.0.1:1985 reset => 502 of A, fails 0, no new cookie
v 127.0.0.1:1985 ok => 200 of A, fails 0, no new cookie
w 127.0.0.1:1999 ok => 502 of R, fails 0, no new cookie
w 127.0.0.1:1999 ok => 502 of R, fails 0, no new cookie
x 127.0.0.1:1999 ok => 502 of R, fails 0, no new cookie
x 127.0.0.1:1999 ok => 502 of R, fails 0, no new cookie
y 127.0.0.1:1999 ok => 502 of R, fails 0, no new cookie
y 127.0.0.1:1999 ok => 502 of R, fails 0, no new cookie



=== fallback=on: the session moves from a server past max_fails
--- http_config
upstream u { zone on 256k; server A:; server B:; session_sticky hash=plain; }
upstream v { server A: max_fails=0; server B:; session_sticky hash=plain; }
--- stories
u 127.0.0.1:1985 hang ok => 200 of A B, fails 1 0, bound to 127.0.0.1:1986
u 127.0.0.1:1985 ok => 200 of B, fails 1 0, bound to 127.0.0.1:1986
u gone ok => 200 of B, fails 1 0, bound to 127.0.0.1:1986
v 127.0.0.1:1985 503 503 => 503 of A B, fails 1 0, bound to 127.0.0.1:1986
v 127.0.0.1:1985 503 ok => 200 of A B, fails 2 0, bound to 127.0.0.1:1986
v 127.0.0.1:1985 ok => 200 of A, fails 2 0, no new cookie



=== an ID without a server: refused with fallback=off, load-balanced with unknown and on
--- http_config
upstream off     { zone ids 512k; server A:; server B:; session_sticky hash=plain fallback=off; }
upstream unknown { zone ids 512k; server A:; server B:; session_sticky hash=plain fallback=unknown; }
upstream on      { server A:; server B:; session_sticky hash=plain; }
--- stories
off gone ok => 502 of none, fails 0 0, no new cookie
off gone POST ok => 502 of none, fails 0 0, no new cookie
off - ok => 200 of A, fails 0 0, bound to 127.0.0.1:1985
off 127.0.0.1:1985 503 ok => 503 of A, fails 0 0, no new cookie
unknown gone ok => 200 of A, fails 0 0, bound to 127.0.0.1:1985
unknown gone 503 ok => 200 of B A, fails 0 1, bound to 127.0.0.1:1985
unknown 127.0.0.1:1986 503 ok => 503 of B, fails 0 1, no new cookie
unknown 127.0.0.1:1986 ok => 200 of B, fails 0 1, no new cookie
on gone ok => 200 of A, fails 0 0, bound to 127.0.0.1:1985
