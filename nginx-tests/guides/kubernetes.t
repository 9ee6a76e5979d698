# docs/guides/kubernetes.md: its nginx.conf, as two replicas of the front, with the behavior described on the page.
#
# The replicas "a" and "b" have ports 1983 and 1982 for clients, 1973 and 1972 for the status, and 127.0.0.11:8082 and
# 127.0.0.12:8082 for control. The block's nginx plays the pods 127.0.0.2 to 127.0.0.4: on port 8080, a pod answers with its
# address, and with X-Draining while $drains contains a file of this name. $dns has the DNS records (lib/Resolver.pm).
# Manifests are tested in tests/manifests.

use Sticky qw(Documents Keys Replicas Resolver Status);
use Digest::MD5 'md5_hex';
use File::Temp;
use Time::HiRes qw(sleep time);

our $name = 'shop-pods.default.svc.cluster.local';
our $dns = Resolver->new(1990);
our $drains = File::Temp->newdir;
my $page = 'docs/guides/kubernetes.md';
our ($front, undef, undef, $told) = fenced($page, 'yaml');
our ($control, $moved) = fenced($page, 'nginx');
our $conf = below('nginx.conf: |', $front);
our %here = (
    a => {'8080' => '127.0.0.1:1983', '8081' => '127.0.0.1:1973', '8082' => '127.0.0.11:8082'},
    b => {'8080' => '127.0.0.1:1982', '8081' => '127.0.0.1:1972', '8082' => '127.0.0.12:8082'},
);
our %port = map { my $replica = $_; $replica => {map { $_ => $here{$replica}{$_} =~ s/.*://r } keys %{$here{$replica}}} } keys %here;

# Replaces a part of a text that occurs exactly once.
sub put {
    my ($text, $from, $to) = @_;
    bail_out("the guide has no single $from") if (() = $text =~ /$from/g) != 1;
    return $text =~ s/$from/$to/r;
}

# The page's configuration, adapted to run as a replica on this machine.
sub on_this_machine {
    my ($text, $replica) = @_;
    $text = put($text, qr{/dev/stderr info}, 'ROOT/logs/error.log info');
    $text = put($text, qr{/dev/stdout}, 'ROOT/logs/access.log');
    $text = put($text, qr{kube-dns\.kube-system\.svc\.cluster\.local valid=5s}, '127.0.0.1:1990 valid=1s');
    $text =~ s{/tmp/}{ROOT/}g;
    $text =~ s/\blisten (\d+);/listen $here{$replica}{$1};/g;
    return put($text, qr{^load_module /usr/lib/nginx/modules/ngx_http_session_sticky_module\.so;\n}, modules());
}

sub with_control { return put($conf, qr/^\}\n\z/m, $control =~ s/^(?=.)/    /gmr . "}\n") }
sub moved_in { return put($conf, qr/^    upstream shop \{.*?^    \}\n/ms, $moved =~ s/^(?=.)/    /gmr) }

# Starts both replicas, once DNS has these pods.
sub start {
    my ($text, @pods) = @_;
    $dns->knows("$name A " . join ' ', map { "127.0.0.$_" } @pods) if @pods;
    start_replica($_, on_this_machine($text, $_)) for qw(a b);
    has(@pods);
    return;
}

sub id_of { my ($pod) = @_; return md5_hex("127.0.0.$pod:8080") }
sub session { my ($pod) = @_; my $now = int time; return 'route=' . id_of($pod) . "|$now|$now" }
sub at { my ($replica, $cookie) = @_; return visit('/', $cookie, $port{$replica}{8080}) }
sub pods { return join ' ', map { body($_) =~ s/^127\.0\.0\.//r } @_ }

sub shop {
    my ($replica) = @_;
    return parsed(visit('/status/upstreams/shop', undef, $port{$replica}{8081}))->{upstreams}[0] // {};
}

sub state_of { my ($replica, $pod) = @_; return (map { $_->{state} } grep { $_->{address} eq "127.0.0.$pod:8080" } @{shop($replica)->{servers}})[0] // '' }
sub lingering { my ($replica) = @_; return join ' ', sort map { $_->{address} =~ s/^127\.0\.0\.(\d+):8080$/$1/r } @{shop($replica)->{lingering}} }

# Changes the pods in DNS. Waits until both replicas have exactly these.
sub has {
    my (@pods) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    $dns->knows(@pods ? "$name A " . join ' ', map { "127.0.0.$_" } @pods : ());
    my $wanted = join ' ', map { "127.0.0.$_:8080" } @pods;
    for my $replica (qw(a b)) {
        eventually(sub { join(' ', sort map { $_->{address} } @{shop($replica)->{servers}}) eq $wanted }, "$replica has pods: @pods");
    }
    return;
}

sub stays ($$$) {
    my ($replica, $pod, $what) = @_;
    local $Test::Builder::Level = $Test::Builder::Level + 1;
    my @visits = map { at($replica, session($pod)) } 1 .. 4;
    equals(pods(@visits), "$pod $pod $pod $pod", "$replica: $what");
    return equals(join('', map { set($_) } @visits), '', "$replica: and sets nothing");
}

# The pods of first visits, each once.
sub first_visits {
    my ($replica) = @_;
    my %pods = map { (status($_) eq '200' ? pods($_) : status($_)) => 1 } map { at($replica) } 1 .. 12;
    return join ' ', sort keys %pods;
}

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;
    $block->set_value(http_config => join '', map { <<"_EOC_" } 2 .. 4);
server {
    listen 127.0.0.$_:8080;
    location / {
        if (-f $drains/$_) { add_header X-Draining 1; return 200 "127.0.0.$_"; }
        return 200 "127.0.0.$_";
    }
}
_EOC_
    my $client = client_of($block);
    $block->set_value(client => sub {
        $client->();
        stop_replica($_) for qw(a b);
        $dns->knows();
    });
    $block->set_value(skip_nginx => '5: < 1.27.3');
});

run_tests();

__DATA__

=== nginx -t reports nothing
--- client
for my $text ($conf, with_control(), moved_in()) {
    my $said = verdict(on_this_machine($text, 'a'));
    holds($said =~ /test is successful/, $said);
    equals(join('', grep { /\[(?!notice|info)/ } split /^/, $said), '', 'no warning');
}



=== sessions stay on their pods with either replica
--- client
start($conf, 2, 3, 4);
my %chosen;
for my $first (1 .. 6) {
    my ($here, $there) = $first % 2 ? qw(a b) : qw(b a);
    my $response = at($here);
    my $pod = pods($response);
    $chosen{$pod} = 1;
    my $id = id_of($pod);
    holds(set($response) =~ /^route=$id\|\d{10}\|\d{10}; Path=\/; HttpOnly; SameSite=Lax$/, 'the cookie: ' . set($response));
    my @visits = map { at($there, 'route=' . bound($response)) } 1 .. 3;
    equals(pods(@visits), "$pod $pod $pod", "from $here to $there: the same pod");
    equals(join('', map { set($_) } @visits), '', 'and no other cookie');
}
equals(join(' ', sort keys %chosen), '2 3 4', 'first visits are spread');



=== probes need no pod
--- client
my %paths = map { $_ => 1 } $front =~ /httpGet: \{path: (\S+), port: status\}/g;
equals(scalar(keys %paths), 1, 'both ask for one path');
start($conf);
for my $path (keys %paths) {
    my $asked = say_to_nginx("GET $path HTTP/1.1\r\nHost: 10.244.1.7:8081\r\nConnection: close\r\n\r\n", $port{a}{8081});
    equals(status(response($asked)), '200', "$path is 200 before DNS has any pod");
    equals(status(visit("${path}s", undef, $port{a}{8081})), '404', 'and 404 for an upstream that is not there');
}
equals(first_visits('a'), '502', 'clients get 502');



=== a terminating pod keeps its sessions and gets no new ones, over a reload too; a replica started later does not know it
--- client
start($conf, 2, 3);
has(3, 4);
for my $replica (qw(a b)) {
    stays($replica, 2, 'the sessions stay');
    equals(first_visits($replica), '3 4', "$replica: first visits go to other pods");
    equals(lingering($replica), '2', "$replica: the status shows it");
}
holds(reload_replica('a'), 'a is reloaded');
stays('a', 2, 'the sessions stay after a reload');
stop_replica('b');
start_replica('b', on_this_machine($conf, 'b'));
has(3, 4);
my $moved = at('b', session(2));
holds(pods($moved) =~ /^[34]$/, 'b was restarted: the session moves');
equals(bound($moved) =~ s/\|.*//r, id_of(pods($moved)), 'with its cookie');
stays('a', 2, 'the sessions stay at the other replica');
rewrite_replica('a', on_this_machine(put($conf, qr/linger=10m/, 'linger=1s'), 'a'));
holds(reload_replica('a'), 'a is reloaded with a shorter linger=');
eventually(sub { pods(at('a', session(2))) =~ /^[34]$/ }, 'when it is over, they move');



=== a pod that crashes after its removal from DNS
--- client
start($conf, 2, 5);
has(2);
equals(lingering('a'), '5', 'it lingers');
my $moved = at('a', session(5));
equals(pods($moved), '2', 'the first connection that fails moves the session');
equals(bound($moved) =~ s/\|.*//r, id_of(2), 'with its cookie');
equals(lingering('a'), '', 'and ends it');



=== no endpoints, and no response from DNS
--- client
start($conf, 2, 3);
has();
for my $replica (qw(a b)) {
    equals(first_visits($replica), '502', "$replica: first visits get 502");
    stays($replica, 2, 'sessions stay with pods that linger');
}
has(2, 3);
for my $failure ('FAILS', 'SILENT') {
    $dns->knows("$name $failure");
    # Two DNS queries remain unanswered.
    sleep 2.5;
    equals(first_visits('a'), '2 3', "$failure: nginx keeps the addresses");
}



=== a pod that announces draining before its removal from DNS
--- client
start($conf, 2, 3, 4);
open my $file, '>', "$drains/2" or die "cannot write $drains/2: $!\n";
close $file;
for my $replica (qw(a b)) {
    my $response = at($replica, session(2));
    equals(pods($response), '2', "$replica: a response tells");
    equals(head('X-Draining', $response), '', "$replica: clients do not see it");
    equals(first_visits($replica), '3 4', "$replica: first visits go to other pods");
    stays($replica, 2, 'its sessions stay');
    equals(state_of($replica, 2), 'draining', "$replica: the status shows it");
}
unlink "$drains/2";
for my $replica (qw(a b)) {
    eventually(sub { at($replica, session(2)); first_visits($replica) eq '2 3 4' }, "$replica: it has taken that back");
}



=== preStop drains the pod by the control API at both replicas, and reverts that
--- client
start(with_control(), 2, 3, 4);
my $script = below('- |', $told);
$script = put($script, qr/sleep 640/, "until [ -e $drains/done ]; do sleep 0.1; done");
# As getent lists each address of the Service front-control.
my $names = join '', map { my $front = $_; map { sprintf "127.0.0.%-7s %-6s %s\\n", $front, $_, $_ eq 'STREAM' ? 'front-control' : '' } qw(STREAM DGRAM RAW) } 11, 12;
$script = qq[getent() { [ "\$*" = "ahostsv4 front-control" ] && printf '$names'; }\n$script];
my $pid = fork // die "cannot fork: $!\n";
if (!$pid) {
    $ENV{POD_IP} = '127.0.0.2';
    open STDOUT, '>', '/dev/null';
    exec 'sh', '-c', $script or POSIX::_exit(127);
}
eventually(sub { state_of('a', 2) eq 'draining' && state_of('b', 2) eq 'draining' }, 'both replicas are told');
for my $replica (qw(a b)) {
    equals(first_visits($replica), '3 4', "$replica: first visits go to other pods");
    stays($replica, 2, 'its sessions stay');
}
has(3, 4);
stays($_, 2, 'its sessions stay without DNS') for qw(a b);
open my $file, '>', "$drains/done" or die "cannot write $drains/done: $!\n";
close $file;
waitpid $pid, 0;
equals($?, 0, 'the hook ends');
stays($_, 2, 'its sessions stay after it') for qw(a b);
has(2, 3, 4);
equals(state_of($_, 2), 'up', "$_: another pod with its address is a server like any other") for qw(a b);
unlink "$drains/done";



=== the Ingress, line by line: clients stay on their pods
--- client
my $tail = md5_hex(md5_hex('default-shop-80') . 'default-shop-80');
start(moved_in(), 2, 3, 4);
my $old = sub { my ($pod) = @_; return 'route=' . md5_hex("default-shop-80127.0.0.$pod:8080") . "|$tail" };
my $attributes = 'Domain=shop.example.com; Path=/; Max-Age=172800; Expires=[^;]+; Secure; HttpOnly';
for my $pod (2, 3, 4) {
    my $response = at('a', $old->($pod));
    equals(pods($response), $pod, "a client of $pod stays");
    my $id = id_of($pod);
    holds(set($response) =~ /^route=$id; $attributes; SameSite=None$/, 'its cookie is replaced: ' . set($response));
}
for my $browser ('(iPhone; CPU iPhone OS 12_4 like Mac OS X)', '(Macintosh; Intel Mac OS X 10_14_6) Version/12.1 Safari/605', 'Chrome/66.0') {
    my $asked = say_to_nginx("GET / HTTP/1.0\r\nUser-Agent: Mozilla/5.0 $browser\r\n\r\n", $port{a}{8080});
    my $set = set(response($asked));
    holds($set =~ /^route=[0-9a-f]{32}; $attributes$/, "$browser: no SameSite: $set");
}
has(3, 4);
equals(pods(at('b', $old->(2))), 2, 'a client of a pod that terminates stays, too');
