# The counts of session_sticky_status are kept over reloads, when servers and addresses come and go, when there is no
# room for all of them, and when workers are killed. They are exact with any number of workers.
#
# Port 1996 answers on every address of 127.0.0.0/8 with the address; $dns resolves app.test (lib/Resolver.pm).

use Sticky qw(Running Upstreams Visits Counted Resolver);
use POSIX ();
use Time::HiRes qw(sleep time);

our $dns = Resolver->new(1990);
our $slow = $ENV{TEST_NGINX_USE_VALGRIND} ? 1 : 0;

client_sections();
counted_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(more => <<"_EOC_");
server { listen 1996; location / { return 200 "\$server_addr"; } }
resolver 127.0.0.1:1990 valid=1s ipv6=off;
resolver_timeout 1s;
proxy_http_version 1.1;
proxy_set_header Connection "";
_EOC_
    $block->set_value(workers => 4);
    $block->set_value(client => $block->client . '; $dns->knows();');
});
master_on();
worker_connections(1024);

# The number of requests counted for a server, or undef if it is not shown.
sub of {
    my ($upstream, $address, $status) = @_;
    my ($server) = grep { $_->{address} eq ($line{$address} // $address) } @{counted($upstream)->{servers}};
    return $server && $server->{requests}{$status};
}

# Makes this number of sequential requests of a session.
sub visits { my ($number, $path, $cookie) = @_; visit($path, $cookie, 1983) for 1 .. $number; return }

# Sends this number of requests, a hundred on each connection; reads the responses after sending them all.
sub flood {
    my ($number, $path, $cookie) = @_;
    my $text = "GET $path HTTP/1.1\r\nHost: localhost\r\n" . ($cookie ? "Cookie: $cookie\r\n" : '');
    my $answers = 0;
    while ($number > 0) {
        my $requests = $number < 100 ? $number : 100;
        $number -= $requests;
        my $socket = say_to_nginx("$text\r\n" x ($requests - 1) . "${text}Connection: close\r\n\r\n", 1983);
        $answers += () = response($socket) =~ m{HTTP/1\.1 200 }g;
    }
    return $answers;
}

# The "server" directives of many servers that are down.
sub many { my ($number) = @_; return CORE::join '', map { 'server 127.2.' . int($_ / 200) . '.' . ($_ % 200 + 1) . ':1 down;' } 1 .. $number }

# Waits until the upstream does or does not have this address.
sub knows {
    my ($upstream, $address, $is_known) = @_;
    return eventually(sub { defined of($upstream, $address, 'new') == $is_known }, "$upstream: $address " . ($is_known ? 'is there' : 'is gone'));
}

run_tests();

__DATA__

=== 20,000 requests in four workers, each counted once
--- upstreams
upstream u { session_sticky; server A: max_fails=0; server B: max_fails=0; server D: down; keepalive 16; }
--- client
my $number = $slow ? 100 : 5_000;
my %asked = (A => "route=$id{A}", B => "route=$id{B}", moved => "route=$id{D}", new => undef);
my $begin = counted('u')->{requests};
equals(flood($number, '/u/', $asked{$_}), $number, "$_: all are answered") for sort keys %asked;
my $counted = counted('u');
equals($counted->{requests}{bound}, $begin->{bound} + 2 * $number, 'bound');
equals($counted->{requests}{$_}, $begin->{$_} + $number, $_) for qw(new moved);
equals(of('u', $_, 'bound'), $number, "bound at $_") for qw(A B);
equals(of('u', 'A', $_) + of('u', 'B', $_), $number, "$_, at A and B") for qw(new moved);
my ($d) = grep { $_->{address} eq $line{D} } @{$counted->{servers}};
equals($d->{moved_away}, $number, 'moved away');
equals($counted->{verdicts}{valid} + $counted->{verdicts}{none} + $counted->{verdicts}{down}, 4 * $number, 'verdicts');
equals($counted->{actions}{none} + $counted->{actions}{inserted}, 4 * $number, 'actions');
wants(CORE::join ' | ', ('u bound/valid/none A') x $number, ('u bound/valid/none B') x $number);
wants("u new/none/inserted $_->[0]") for map { my $name = $_; map { [$name] } 1 .. of('u', $name, 'new') } qw(A B);
wants("u moved/down/inserted $_->[0], away D") for map { my $name = $_; map { [$name] } 1 .. of('u', $name, 'moved') } qw(A B);



=== reloads: servers are kept, removed, and added again
--- upstreams
upstream u { session_sticky; server A:; server B:; server D: down; }
upstream drains { session_sticky; server A:; server B: drain; }
--- client
my $since = counted()->{since};
counts('/u/', "route=$id{A}", 'u bound/valid/none A') for 1 .. 3;
counts('/u/', "route=$id{B}", 'u bound/valid/none B') for 1 .. 2;
counts('/drains/', "route=$id{B}", 'drains bound/valid/none B');
my $leaving = counted('drains')->{servers}[1]{leaving};
equals($leaving->{last_minute}, 1, 'requests of a draining server');
holds(reload(), 'nginx reloads');
as_wanted('all counts are kept');
equals(counted()->{since}, $since, 'start of counting');
is_deeply(counted('drains')->{servers}[1]{leaving}, $leaving, 'requests of a draining server');

configure(qr/server $line{A};/, "server $line{A}; server $line{C};");
holds(reload(), 'a reload with another server');
as_wanted('all counts are kept');
counts('/u/', "route=$id{C}", 'u bound/valid/none C');

configure(qr/(upstream u .*) server $line{B};/, 'upstream u { session_sticky; server 127.0.0.1:1985;');
holds(reload(), 'a reload without B');
equals(of('u', 'B', 'bound'), undef, 'B is not shown');
equals(of('u', 'A', 'bound'), 3, 'the count of A is kept');
equals(counted('u')->{requests}{bound}, 6, 'the count of the upstream is kept');
counts('/u/', "route=$id{A}", 'u bound/valid/none A');

configure(qr/(upstream u \{) session_sticky; server $line{A};/, "upstream u { session_sticky; server $line{A}; server $line{B}; server $line{C};");
holds(reload(), 'a reload with B and C');
equals(of('u', 'B', 'bound'), 2, 'B has its count again');
equals(of('u', 'C', 'bound'), 1, 'so has C');
as_wanted('all counts are kept');
equals(counted()->{since}, $since, 'start of counting');



=== a drain by the configuration counts from its beginning, each time
--- upstreams
upstream u { session_sticky; server A:; server B:; }
--- client
my $leaving = sub { counted('u')->{servers}[1]{leaving} };
for my $time ('the first time', 'the second time') {
    configure("server $line{B};", "server $line{B} drain;");
    holds(reload(), 'B drains');
    equals($leaving->()->{last}, undef, "$time: no request before a request");
    counts('/u/', "route=$id{B}", 'u bound/valid/none B') for 1 .. 8;
    equals($leaving->()->{last_minute}, 8, "$time: requests of its sessions");
    holds(reload(), 'a reload');
    counts('/u/', "route=$id{B}", 'u bound/valid/none B') for 1 .. 4;
    equals($leaving->()->{last_minute}, 12, "$time: a reload does not end the drain");
    configure("server $line{B} drain;", "server $line{B};");
    holds(reload(), 'B does not drain');
    equals($leaving->(), undef, "$time: nothing is shown after the drain");
    counts('/u/', "route=$id{B}", 'u bound/valid/none B') for 1 .. 8;
}



=== a drain by the configuration after one at run time
--- upstreams
upstream u { session_sticky; server A:; server B:; }
--- locations
location /control { session_sticky_status; session_sticky_control on; access_log off; allow all; }
--- client
my $leaving = sub { counted('u')->{servers}[1]{leaving} };
my $patched = sub {
    my $body = qq[{"state":"$_[0]"}];
    my $request = "PATCH /control/upstreams/u/servers/$line{B} HTTP/1.0\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: ";
    my $response = response(say_to_nginx($request . length($body) . "\r\n\r\n$body", 1983));
    equals(status($response), '200', "PATCH: $_[0]");
};
$patched->('drain');
counts('/u/', "route=$id{B}", 'u bound/valid/none B') for 1 .. 8;
equals($leaving->()->{last_minute}, 8, 'requests of its sessions');
$patched->('up');
configure("server $line{B};", "server $line{B} drain;");
holds(reload(), 'B drains by the configuration');
equals($leaving->()->{last}, undef, 'no request before a request');
configure("server $line{B} drain;", "server $line{B};");
holds(reload(), 'B does not drain');
counts('/u/', "route=$id{B}", 'u bound/valid/none B');

$patched->('drain');
counts('/u/', "route=$id{B}", 'u bound/valid/none B') for 1 .. 8;
configure("server $line{B};", "server $line{B} drain;");
holds(reload(), 'B drains by both');
equals($leaving->()->{last_minute}, 8, 'the drain continues');
counts('/u/', "route=$id{B}", 'u bound/valid/none B');
equals($leaving->()->{last_minute}, 9, 'and so does the count');



=== a reload with a zone of another size, larger and smaller
--- upstreams
upstream u { session_sticky; server A:; server B:; server D: down; }
upstream drains { session_sticky; server A:; server B: drain; }
--- client
counts('/u/', "route=$id{A}", 'u bound/valid/none A') for 1 .. 3;
counts('/u/', "route=$id{D}", 'u moved/down/inserted A, away D');
counts('/drains/', "route=$id{B}", 'drains bound/valid/none B') for 1 .. 2;
my ($since, $bytes) = (counted()->{since}, counted()->{counters}{bytes});
my $leaving = counted('drains')->{servers}[1]{leaving};
equals($leaving->{last_minute}, 2, 'requests of a draining server');
configure(qr/(?=server $line{D} down)/, many(3000));
for my $size ('larger', 'as large', 'smaller') {
    configure(qr/(?:server 127\.2\.\d+\.\d+:1 down;)+/, '') if $size eq 'smaller';
    holds(reload(), "$size: nginx reloads");
    my $now = counted();
    holds($size eq 'smaller' ? $now->{counters}{bytes} == $bytes : $now->{counters}{bytes} > 2 * $bytes, "$size: $now->{counters}{bytes} bytes");
    holds($now->{counters}{complete}, "$size: complete");
    equals($now->{since}, $since, "$size: start of counting");
    is_deeply(counted('drains')->{servers}[1]{leaving}, $leaving, "$size: requests of a draining server");
    as_wanted("$size: all counts are kept");
    counts('/u/', "route=$id{B}", 'u bound/valid/none B');
    counts('/u/', undef, 'u new/none/inserted A');
}



=== a request that ends in an old worker is counted
--- upstreams
upstream u { session_sticky hash=plain; server 127.0.0.1:1991; server 127.0.0.1:1992 down; }
--- client
$line{held} = '127.0.0.1:1991';
my $server = serve(1991);
my $asked = ask('/u/', "route=$line{held}", 1983);
my $held = taken($server);
holds(reload(), 'nginx reloads');
as_wanted('the request is not finished');
answer($held, 'done');
equals(body(response($asked)), 'done', 'the request is answered');
wants('u bound/valid/none held');



=== addresses of a name are removed and added
--- upstreams
upstream r { zone resolved 1m; session_sticky hash=plain; server app.test:1996 resolve; server 127.0.0.9:1996; }
upstream held { zone held 1m; session_sticky hash=plain; server app.test:1991 resolve; server 127.0.0.9:1991 down; }
--- since: 1.27.3
--- client
$dns->knows('app.test A 127.0.0.2 127.0.0.3');
knows('r', '127.0.0.2:1996', 1);
knows('held', '127.0.0.2:1991', 1);
my $server = serve(1991, '127.0.0.2');
my $asked = ask('/held/', 'route=127.0.0.2:1991', 1983);
my $held = taken($server);
counts('/r/', "route=127.0.0.$_:1996", "r bound/valid/none 127.0.0.$_:1996") for 2, 3, 2, 9;
$dns->knows('app.test A 127.0.0.3 127.0.0.4');
knows('r', '127.0.0.2:1996', 0);
knows('r', '127.0.0.4:1996', 1);
everywhere('/held/');
answer($held, 'done');
response($asked);
equals(counted('held')->{requests}{bound}, 1, 'a request to an address that has been removed is counted');
equals(counted('r')->{requests}{bound}, 4, 'the count of the upstream is kept');
equals(of('r', '127.0.0.3:1996', 'bound'), 1, 'the count of an address that stays is kept');
counts('/r/', "route=127.0.0.$_:1996", "r bound/valid/none 127.0.0.$_:1996") for 4, 3;
visits(8, '/r/', 'route=127.0.0.2:1996');
equals(counted('r')->{requests}{new}, 8, 'sessions of a removed address');
holds(reload(), 'nginx reloads');
$dns->knows('app.test A 127.0.0.2 127.0.0.3 127.0.0.4');
knows('r', '127.0.0.2:1996', 1);
equals(of('r', '127.0.0.2:1996', 'bound'), 2, 'an address that is added again has its count');
equals(of('r', '127.0.0.4:1996', 'bound'), 1, 'another address keeps its count');
knows('held', '127.0.0.2:1991', 1);
equals(of('held', '127.0.0.2:1991', 'bound'), 1, 'an address whose last request ended after its removal has its count');
counts('/r/', "route=127.0.0.$_:1996", "r bound/valid/none 127.0.0.$_:1996") for 2, 4;
begin_anew();



=== killed workers lose no counts
--- upstreams
upstream u { session_sticky; server A: max_fails=0; server B: max_fails=0; keepalive 16; }
--- may_warn
exited on signal 9
--- no_error_log
[crit]
[emerg]
--- client
my $until = time + ($slow ? 20 : 6);
my @loads = map {
    my $cookie = $_;
    my $pid = fork // die "cannot fork: $!\n";
    if (!$pid) {
        while (time < $until) { eval { flood(100, '/u/', $cookie) } }
        POSIX::_exit(0);
    }
    $pid;
} "route=$id{A}", "route=$id{B}", undef;
my ($last, $kills, $looks, $falls) = ({}, 0, 0, 0);
while (time < $until) {
    my @workers = children();
    kill_worker($workers[rand @workers]) and $kills++;
    sleep 0.3;
    my $now = eval { counted('u') } // next;
    $looks++;
    for my $kind (qw(requests verdicts actions)) {
        $falls += grep { $now->{$kind}{$_} < ($last->{$kind}{$_} // 0) } keys %{$now->{$kind}};
    }
    $last = $now;
}
waitpid $_, 0 for @loads;
holds($kills > 3 && $looks > 3, "$kills workers were killed, the counts were read $looks times");
equals($falls, 0, 'no count decreased');
eventually(sub { children() == 4 }, 'four workers are running');
my $before = counted('u');
my $sum = 0;
$sum += $before->{requests}{$_} for qw(new bound);
holds($sum > 100, "$sum requests");
equals(flood(200, '/u/', "route=$id{A}"), 200, 'all requests are answered');
equals(counted('u')->{requests}{bound}, $before->{requests}{bound} + 200, 'each of them is counted');
begin_anew();



=== no room for all addresses: one error per worker, and requests are served; removed addresses make room
--- upstreams
upstream r {
    zone many 8m; session_sticky hash=plain; server 127.0.0.9:1996;
    server a.test:1996 resolve; server b.test:1996 resolve; server c.test:1996 resolve; server d.test:1996 resolve; server e.test:1996 resolve;
}
upstream other { session_sticky; server A:; }
--- since: 1.27.3
--- error_log
no room to count the requests of all servers of upstream "r"
--- client
my @names = qw(a b c d e);
$dns->knows(map { my $name = $_; "$name.test A " . CORE::join ' ', map { '127.' . ord($name) . ".0.$_" } 1 .. 250 } @names);
my $count = sub { scalar @{counted('r')->{servers}} };
eventually(sub { $count->() == 1251 }, 'all addresses are resolved');
my $began = time;
everywhere('/r/', 'route=127.0.0.9:1996');
my $told = sub { scalar log_lines(qr/\[error\].* no room to count the requests of all servers of upstream "r"/) };
eventually(sub { $told->() == 4 }, 'each worker tells it');
holds(!counted()->{counters}{complete}, 'counting is not complete');
my $before = counted('r')->{requests}{bound};
my $bound = 0;
for my $address (map { my $name = $_; map { '127.' . ord($name) . ".0.$_:1996" } 1, 250 } @names) {
    my $response = visit('/r/', "route=$address", 1983);
    $bound++ if body($response) eq $address =~ s/:.*//r && set($response) eq '';
}
equals($bound, 10, 'each address serves its sessions');
equals(counted('r')->{requests}{bound}, $before + 10, 'the upstream counts all requests');
visits(3, '/other/', "route=$id{A}");
equals(counted('other')->{requests}{bound}, 3, 'another upstream counts its requests');
equals($told->(), 4, 'the error is logged once per worker');

# Slots unused for a minute are released.
sleep 1 while time < $began + 63;
$dns->knows('a.test A 127.99.0.1 127.99.0.2', map { "$_.test A 127.99.1." . ord $_ } @names[1 .. 4]);
eventually(sub { $count->() == 7 }, 'the addresses are removed');
everywhere('/r/', 'route=127.0.0.9:1996');
my $all = counted('r')->{requests}{bound};
holds($all >= $before + 10, 'the upstream keeps the counts of removed addresses');
visits(20, '/r/', 'route=127.99.0.2:1996');
equals(of('r', '127.99.0.2:1996', 'bound'), 20, 'a new address has room');
equals(counted('r')->{requests}{bound}, $all + 20, 'the upstream counts it too');
equals($told->(), 4, 'no further error is logged');
begin_anew();
