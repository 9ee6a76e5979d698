# The directives of an upstream in any order: sessions stick, and the load-balancing method, zone and keepalive work as without
# the module. No directive is ignored without a message of nginx at its start.
#
# Each block tests one load-balancing method, and has an upstream for each permutation of "session_sticky", the method, the
# servers, "keepalive", and with "zone: yes" also "zone". With a zone, nginx has two workers.
# A and B respond with their name and the number of the connection; the test acts as S; D is down.
# Sections of this file:
#   balancer  a load-balancing method's directive, or nothing for round robin
#   zone      "yes" or "no"
#   chooses   the name of a sub that checks how the method distributes new sessions

use Sticky qw(Upstreams);

$port{S} = 1991;
$id{S} = id('S');

my $servers = servers(<<'_EOC_', qw(A B));
keepalive_requests 1000;
location / { return 200 "NAME $connection"; }
_EOC_

sub permutations {
    my ($first, @rest) = @_;
    return [] if !defined $first;
    return map { my $rest = $_; map { [@$rest[0 .. $_ - 1], $first, @$rest[$_ .. $#$rest]] } 0 .. @$rest } permutations(@rest);
}

# {name of the upstream => its directives}
our %upstreams;

client_sections();
add_block_preprocessor(sub {
    my ($block) = @_;

    my %fails = (D => ' max_fails=1 fail_timeout=1h', S => ' max_fails=0');
    my $lines = join "\n", map { "server 127.0.0.1:$port{$_}" . ($fails{$_} // '') . ';' }
        'A', 'B', 'D', $block->chooses eq 'the_idle' ? 'S' : ();
    my @directives = ('session_sticky;', $lines, 'keepalive 4;');
    push @directives, $block->balancer if $block->balancer;
    push @directives, 'ZONE' if $block->zone eq 'yes';
    my $name = $block->name =~ s/\W+/_/gr;
    my $count = 0;
    my %upstreams = map { $name . '_' . ++$count => $_ } permutations(@directives);
    my $http = '';
    for my $upstream (sort keys %upstreams) {
        $_ eq 'ZONE' and $_ = "zone $upstream 64k;" for @{$upstreams{$upstream}};
        $http .= CORE::join "\n", "upstream $upstream {", @{$upstreams{$upstream}}, "}\n";
    }
    our %of_block;
    $of_block{$block->name} = \%upstreams;
    $block->set_value(http_config => <<'_EOC_' . $servers . entrance($http));
proxy_http_version 1.1;
proxy_set_header Connection "";
_EOC_
    $block->set_value(workers => $block->zone eq 'yes' ? 2 : 1);
    my $chooses = $block->chooses;
    $block->set_value(client => "any_order(\\&$chooses);");
    $block->set_value(suppress_stderr => 1);
});

# The directives of these upstreams in their order, as a text.
sub orders { return join "\n", sort map { s/\n/ /gr } map { join ' ', @{$upstreams{$_}} } @_ }

# The upstreams in which nginx warned of a directive at its start.
sub warned {
    my %warned;
    open my $configuration, '<', server_root() . '/conf/nginx.conf' or return 'no configuration';
    my ($within, @upstream_at) = ('');
    while (readline $configuration) {
        $within = $1 if /^\s*upstream (\w+)/;
        $upstream_at[$.] = $within;
        $within = '' if /^\}/;
    }
    open my $log, '<', server_root() . '/logs/error.log' or return 'no log';
    while (readline $log) {
        $warned{$upstream_at[$1] || "line $1"} = 1 if /\[warn\].* in \S+:(\d+)$/;
    }
    return sort grep { exists $upstreams{$_} || /line/ } keys %warned;
}

# Visits until each worker has had two.
sub two_each {
    my ($path, $cookie) = @_;
    my (@visits, %workers);
    for (1 .. 200) {
        push @visits, visit($path, $cookie, 1983);
        $workers{head('X-Worker', $visits[-1])}++;
        last if keys %workers == $Client::workers && !grep { $_ < 2 } values %workers;
    }
    return @visits;
}

sub name { return substr body($_[0]), 0, 1 }
sub first { my ($path, $key) = @_; return name(visit("$path?key=" . ($key // ''), undef, 1983)) }

sub any_order {
    my ($chooses) = @_;
    our %of_block;
    local *upstreams = $of_block{$Client::block_name =~ s/^\S+\.t //r};
    my (@sessions, @keepalive, @balancer, @zone);
    for my $upstream (sort keys %upstreams) {
        my $path = "/$upstream/";
        my @dead = two_each($path, "route=$id{D}");
        push @zone, $upstream if (grep { head('X-Tried', $_) =~ /:$port{D}/ } @dead) != 1;
        for my $name (qw(A B)) {
            my @bound = two_each($path, "route=$id{$name}");
            push @sessions, $upstream if grep { name($_) ne $name || bound($_) ne '' } @bound;
            my %connections;
            $connections{head('X-Worker', $_)}{body($_)} = 1 for @bound;
            push @keepalive, $upstream if $name eq 'B' && grep { keys %$_ > 1 } values %connections;
        }
        my $visitor = visit($path, undef, 1983);
        push @sessions, $upstream if bound($visitor) ne $id{name($visitor)};
        push @balancer, $upstream if !$chooses->($path);
    }
    my $all = 1;
    $all *= $_ for 1 .. scalar @{(values %upstreams)[0]};
    equals(scalar(keys %upstreams), $all, 'every permutation is tested');
    equals(orders(@sessions), '', 'sessions stick');
    equals(orders(@balancer), '', 'the load-balancing method selects the servers of new sessions');
    equals(orders(@zone), '', 'a failure of a server applies to all workers');
    equals(orders(@keepalive), orders(warned()), 'connections are reused, except where nginx warned');
    equals(orders(grep { orders($_) !~ /keepalive 4;.*(?:least_conn|hash|random)/ } @keepalive), '',
           'and it warned only as without the module: of a load-balancing method after keepalive');
}

# The available servers are A and B, and S, which least_conn must avoid.

sub in_turn {
    my ($path) = @_;
    return join('', map { first($path) } 1 .. 10) =~ /(?:(?:AB){3}|(?:BA){3})$/;
}

sub at_random {
    my ($path) = @_;
    my $chosen = join '', map { first($path) } 1 .. 30;
    return $chosen =~ /A/ && $chosen =~ /B/ && $chosen !~ /^A?(?:BA)*B?$/;
}

sub always_the_same {
    my ($path) = @_;
    return join('', map { first($path) } 1 .. 6) =~ /^(?:A+|B+)$/;
}

sub by_key {
    my ($path) = @_;
    my %chosen;
    for my $key (1 .. 6) {
        my $chosen = first($path, $key);
        return 0 if $chosen ne first($path, $key);
        $chosen{$chosen} = 1;
    }
    return keys %chosen == 2;
}

sub the_idle {
    my ($path) = @_;
    my $server = serve($port{S});
    my $asked = ask($path, "route=$id{S}", 1983);
    my $held = taken($server) or return 0;
    local $Client::patience = 1;
    my $chosen = join '', map { first($path) } 1 .. 4;
    answer($held, 'S');
    response($asked);
    return $chosen =~ /^[AB]{4}$/;
}

master_on();
worker_connections(4096);
run_tests();

__DATA__

=== round robin
--- balancer
--- zone: no
--- chooses: in_turn



=== round robin, zone
--- balancer
--- zone: yes
--- chooses: in_turn



=== least_conn
--- balancer: least_conn;
--- zone: no
--- chooses: the_idle



=== least_conn, zone
--- balancer: least_conn;
--- zone: yes
--- chooses: the_idle



=== ip_hash
--- balancer: ip_hash;
--- zone: no
--- chooses: always_the_same



=== ip_hash, zone
--- balancer: ip_hash;
--- zone: yes
--- chooses: always_the_same



=== hash
--- balancer: hash $arg_key;
--- zone: no
--- chooses: by_key



=== hash, zone
--- balancer: hash $arg_key;
--- zone: yes
--- chooses: by_key



=== hash consistent
--- balancer: hash $arg_key consistent;
--- zone: no
--- chooses: by_key



=== hash consistent, zone
--- balancer: hash $arg_key consistent;
--- zone: yes
--- chooses: by_key



=== random
--- balancer: random;
--- zone: no
--- chooses: at_random



=== random, zone
--- balancer: random;
--- zone: yes
--- chooses: at_random



=== random two
--- balancer: random two least_conn;
--- zone: no
--- chooses: at_random



=== random two, zone
--- balancer: random two least_conn;
--- zone: yes
--- chooses: at_random
